"""What random worlds are made of: few names, so that objects meet, and of each thing the kinds that differ in effect.

For the test of incremental answers (tests/controlplane/engine/test_incremental.py).
"""

from hypothesis import strategies as st

from mirrorplane.api.kinds.istio import destination_rule as dr
from mirrorplane.api.kinds.istio import gateway as gw
from mirrorplane.api.kinds.istio import sidecar as sc
from mirrorplane.api.kinds.istio import virtual_service as vs

names = st.sampled_from(["a", "b"])
spaces = st.sampled_from(["red", "blue"])
versions = st.sampled_from(["v1", "v2"])
hosts = st.sampled_from(["a", "b.red.svc.cluster.local", "*.blue.svc.cluster.local", "x.example.com"])
exports = st.sampled_from([(), (".",), ("*",), ("red",)])
ports = st.sampled_from([("http", 80), ("http", 8000), ("tcp", 8000), ("", 9000), ("tls", 443)])
addresses = st.sampled_from(["", "None", "10.9.0.1", "10.9.0.2"])
policies = st.sampled_from(
    [
        None,
        dr.TrafficPolicy(dr.LoadBalancer(consistent_hash=dr.ConsistentHash(http_header_name="x-user"))),
        dr.TrafficPolicy(dr.LoadBalancer(simple="PASSTHROUGH")),
        dr.TrafficPolicy(tls=dr.ClientTLSSettings("ISTIO_MUTUAL")),
        dr.TrafficPolicy(tls=dr.ClientTLSSettings("SIMPLE"), outlier_detection=dr.OutlierDetection()),
        dr.TrafficPolicy(
            dr.LoadBalancer(locality_lb_setting=dr.LocalityLbSetting((dr.Distribute("here", {"there": 100}),)))
        ),
    ]
)
imports = st.lists(
    st.sampled_from(
        [
            *("*/*", "./*", "red/*", "blue/a.blue.svc.cluster.local", "*/x.example.com", "~/*", "*/*.cluster.local"),
            *("red/b.red.svc.cluster.local", "*/*.red.svc.cluster.local", "~*/a.red.svc.cluster.local", "~./*"),
        ]
    ),
    min_size=1,
    max_size=3,
)
listeners = st.tuples(st.sampled_from([None, 80, 8000]), st.sampled_from(["HTTP", "TCP"]), imports)
pools = st.sampled_from([None, dr.ConnectionPool(dr.TCPSettings(max_connections=7))])
entries = st.builds(
    sc.IngressListener,
    st.sampled_from([sc.SidecarPort(80, "HTTP"), sc.SidecarPort(8000, "TCP")]),
    default_endpoint=st.sampled_from(["", "127.0.0.1:9999"]),
    connection_pool=pools,
)
beyond = st.sampled_from(
    [
        None,
        sc.OutboundTrafficPolicy(),
        sc.OutboundTrafficPolicy("ALLOW_ANY", vs.Destination("a.red.svc.cluster.local", port=vs.PortSelector(80))),
    ]
)
gateways = st.sampled_from(["a", "b", "red/a", "blue/b", "mesh"])
served = st.sampled_from(["*", "x.example.com", "*.example.com", "red/*", "./b.red.svc.cluster.local"])
modes = st.sampled_from(
    [
        ("HTTP", None),
        ("HTTP", gw.ServerTLSSettings(https_redirect=True)),
        ("HTTPS", gw.ServerTLSSettings(mode="SIMPLE", credential_name="a")),
        ("HTTPS", gw.ServerTLSSettings(mode="MUTUAL", credential_name="b")),
        ("TLS", gw.ServerTLSSettings()),
        ("TLS", gw.ServerTLSSettings(mode="SIMPLE", credential_name="a")),
        ("TCP", None),
    ]
)
servers = st.builds(
    lambda port, hosts, mode: gw.Server(gw.Port(port, mode[0]), hosts=tuple(hosts), tls=mode[1]),
    st.sampled_from([80, 443]),
    st.lists(served, min_size=1, max_size=2, unique=True),
    modes,
)
entrances = st.tuples(
    st.sampled_from([80, 443]),
    st.sampled_from(["", "x.example.com", "*.example.com"]),
    st.sampled_from(["HTTP", "HTTPS", "TLS"]),
    st.sampled_from(["All", "Same", "Selector"]),
)
selectors = st.sampled_from([None, None, dr.WorkloadSelector({"app": "a"}), dr.WorkloadSelector({"app": "b"})])
