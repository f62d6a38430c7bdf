"""Which TLSRoute, TCPRoute or UDPRoute takes what comes to a listener, and what is left of a rule that names nobody."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.manifests.decode import decode, registry_of
from mirrorplane.translators.partitions import WHOLE
from mirrorplane.translators.parts import service_clusters
from tests.builders import SLEEP, plane_of, rendered
from tests.gateway_conditions import brief as status_of
from tests.gateway_conditions import statuses
from tests.gateway_manifests import EDGE, GROUP, answer, doc, gateway, services
from tests.traffic_language import ask, brief
from tests.translators.gateway_api.gateway.test_certificates import PROVED, secret

PASSED = {"port": 443, "protocol": "TLS", "tls": {"mode": "Passthrough"}}
TCP, UDP = {"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}
OLD, NEW = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"


def stream(kind: str, name: str, *backends: Mapping[str, Any] | str, created: str = "", **more: Any) -> str:
    """A route to backends, each a name or more; `created` is when it was made, `section` the listener that it wants."""
    refs = [{"port": 8000, **({"name": entry} if isinstance(entry, str) else entry)} for entry in backends]
    parent = {"name": "edge", **({"sectionName": more.pop("section")} if "section" in more else {})}
    spec = {"parentRefs": [parent], "rules": [{"backendRefs": refs}], **more}
    return doc(kind, name, spec, **({"creationTimestamp": created} if created else {}))


def udp_service(name: str, namespace: str = "default") -> str:
    """A Service with one number for both protocols."""
    ports = [{"name": "udp", "port": 8000, "protocol": "UDP"}, {"name": "tcp", "port": 8000, "targetPort": 9000}]
    return doc("Service", name, {"ports": ports}, "v1", namespace=namespace)


def joined(*texts: str) -> str:
    return "---\n".join(texts)


async def tls(text: str, *names: str) -> list[str]:
    """Who is asked for what by these names."""
    served = await rendered(text, EDGE)
    return [brief(ask(served, f"GET https://{name}")) for name in names]


async def reasons(text: str) -> list[tuple[str, str, str]]:
    """What is said of routes: who, why, where."""
    findings = (await plane_of(text)).findings.all()
    return [(f.about.name, f.reason, f.path) for f in findings if f.about.kind.endswith("Route")]


async def test_tls_goes_to_the_route_with_the_most_precise_name():
    manifest = stream("TLSRoute", "wide", "wide", hostnames=["*.example.com"])
    exact = stream("TLSRoute", "exact", "exact", hostnames=["a.example.com", "a.example.org"])
    text = joined(gateway({**PASSED, "hostname": "*.example.com"}), manifest, exact, services("wide", "exact"))
    names = ("a.example.com", "b.example.com", "c.b.example.com", "example.com", "a.example.org")
    assert await tls(text, *names) == ["tcp exact", "tcp wide", "tcp wide", "nothing", "nothing"]


async def test_a_route_of_v1alpha2_without_hostnames_takes_every_name_of_its_listener():
    every = stream("TLSRoute", "every", "every").replace(f"{GROUP}/v1", f"{GROUP}/v1alpha2")
    exact = stream("TLSRoute", "exact", "exact", hostnames=["a.example.com"])
    names = ("a.example.com", "b.example.com", "a.example.org")
    text = joined(gateway({**PASSED, "hostname": "*.example.com"}), every, exact, services("every", "exact"))
    assert await tls(text, *names) == ["tcp exact", "tcp every", "nothing"]
    text = joined(gateway(PASSED), every, exact, services("every", "exact"))
    assert await tls(text, *names) == ["tcp exact", "tcp every", "tcp every"]


@pytest.mark.parametrize(("version", "missing"), [("v1", True), ("v1alpha3", True), ("v1alpha2", False)])
def test_only_v1alpha2_lets_a_tls_route_be_without_hostnames(version: str, missing: bool):
    spec = {"rules": [{"backendRefs": [{"name": "a", "port": 1}]}]}
    manifest = {"apiVersion": f"{GROUP}/{version}", "kind": "TLSRoute", "metadata": {"name": "a"}, "spec": spec}
    decoded = decode(manifest, registry_of(catalogue().kinds))
    assert (decoded.object is None) == missing
    assert [f.path for f in decoded.findings] == (["spec.hostnames"] if missing else [])


ENDED = {"port": 443, "protocol": "TLS", "tls": {"mode": "Terminate", "certificateRefs": [{"name": "web"}]}}


async def test_where_tls_is_terminated_tcp_routes_take_the_names_that_no_tls_route_has():
    tcp, exact = stream("TCPRoute", "rest", "rest"), stream("TLSRoute", "exact", "exact", hostnames=["a.example.com"])
    text = joined(gateway(ENDED), tcp, exact, services("rest", "exact"), secret("web"))
    served = await rendered(text, PROVED)
    answers = [brief(ask(served, f"GET https://{name}")) for name in ("a.example.com", "b.example.com")]
    assert answers == ["tcp exact", "tcp rest"]
    assert await reasons(text) == []
    (entry,) = (await statuses(text))["Gateway edge"]["listeners"]
    assert [kind["kind"] for kind in entry["supportedKinds"]] == ["TCPRoute", "TLSRoute"]
    assert entry["attachedRoutes"] == 2
    passed = joined(gateway(PASSED), tcp, services("rest"))
    assert await reasons(passed) == [("rest", "NotAllowedByListeners", "spec.parentRefs[0]")]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
async def test_of_routes_for_one_name_the_oldest_serves_then_the_first_by_name(order: Sequence[str]):
    former, second = order
    older = stream("TLSRoute", former, former, hostnames=["a.example.com"], created=OLD)
    newer = stream("TLSRoute", second, second, hostnames=["a.example.com", "b.example.com"], created=NEW)
    text = joined(gateway(PASSED), newer, older, services("a", "b"))
    assert await tls(text, "a.example.com", "b.example.com") == [f"tcp {former}", f"tcp {second}"]
    same = joined(gateway(PASSED), newer, older.replace(OLD, NEW), services("a", "b"))
    assert await tls(same, "a.example.com") == ["tcp a"]


async def test_names_of_a_more_precise_listener_are_that_ones_alone():
    precise = {**PASSED, "hostname": "*.b.example.com"}
    manifest = stream("TLSRoute", "wide", "wide", hostnames=["*.example.com", "x.b.example.com"], section="l0")
    idle = joined(gateway(PASSED, precise), manifest, services("wide", "narrow"))
    refused = "tcp NoValidBackend"
    assert await tls(idle, "a.example.com", "x.b.example.com", "y.b.example.com") == ["tcp wide", refused, refused]
    narrow = stream("TLSRoute", "narrow", "narrow", hostnames=["y.b.example.com"], section="l1")
    both = joined(idle, narrow)
    assert await tls(both, "x.b.example.com", "y.b.example.com") == [refused, "tcp narrow"]


async def test_a_listener_for_tls_shares_a_port_with_one_for_https_of_other_names():
    web = {"port": 443, "protocol": "HTTPS", "hostname": "web.example.com", "tls": {"certificateRefs": [{"name": "s"}]}}
    manifest = stream("TLSRoute", "other", "other", hostnames=["*.example.com"])
    text = joined(gateway(web, PASSED), manifest, services("other"))
    # This router has proved nothing, so nobody is let in by HTTPS; the names stay that listener's.
    assert await tls(text, "web.example.com", "a.example.com") == ["tcp NoValidBackend", "tcp other"]


@pytest.mark.parametrize(("kind", "scheme", "listener"), [("TCPRoute", "http", TCP), ("UDPRoute", "udp", UDP)])
async def test_of_several_routes_at_a_port_the_oldest_serves(kind: str, scheme: str, listener: Mapping[str, Any]):
    both = joined(udp_service("first"), udp_service("second"))
    newer, older = stream(kind, "a", "first", created=NEW), stream(kind, "b", "second", created=OLD)
    protocol = "udp" if kind == "UDPRoute" else "tcp"
    assert await answer(joined(gateway(listener), newer, older, both), f"GET {scheme}://x:53") == f"{protocol} second"
    assert await reasons(joined(gateway(listener), newer, older, both)) == [], "both are attached"
    assert await answer(joined(gateway(listener), newer, both), f"GET {scheme}://x:53") == f"{protocol} first"
    assert await answer(joined(gateway(listener), both), f"GET {scheme}://x:53") == "nothing"


async def test_tcp_and_udp_have_the_same_number_and_nothing_else_in_common():
    routes = [stream("TCPRoute", "tcp", "by-tcp"), stream("UDPRoute", "udp", "by-udp")]
    text = joined(gateway(TCP, UDP), *routes, udp_service("by-tcp"), udp_service("by-udp"))
    served = await rendered(text, EDGE)
    assert sorted(served.of_type(LISTENER)) == ["127.0.0.1_53", "127.0.0.1_53_udp"]
    assert [brief(ask(served, f"GET {scheme}://x:53")) for scheme in ("http", "udp")] == ["tcp by-tcp", "udp by-udp"]
    assert "udp|8000||by-udp.default.svc.cluster.local" in served.of_type(CLUSTER)
    assert "udp|8000||by-udp.default.svc.cluster.local" in served.of_type(ENDPOINT)
    assert "udp|8000||by-tcp.default.svc.cluster.local" not in served.of_type(CLUSTER), "only what is used is served"


async def test_sidecars_know_nothing_of_udp():
    text = joined(gateway(UDP), stream("UDPRoute", "udp", "a"), udp_service("a"))
    served = await rendered(text, SLEEP)
    names = [name for type_url in (CLUSTER, ENDPOINT, LISTENER) for name in served.of_type(type_url)]
    assert names
    assert not [name for name in names if "udp" in name]


async def test_a_number_that_both_protocols_have_is_one_cluster_of_tcp():
    plane = await plane_of(udp_service("a"))
    clusters = plane.engine.view.memo(service_clusters.clusters, ClientKey(Visibility("default")), WHOLE)
    assert clusters == ("outbound|8000||a.default.svc.cluster.local",)


SHARES = [
    ("by weight", [{"name": "a", "weight": 70}, {"name": "b", "weight": 30}], (70, "a"), (30, "b")),
    ("none of weight 0", [{"name": "a", "weight": 0}, {"name": "b"}], (1, "b")),
    ("nobody at all", [{"name": "a", "weight": 0}], (1, "NoValidBackend")),
    ("who is missing", [{"name": "a"}, {"name": "missing", "weight": 3}], (1, "a"), (3, "NoValidBackend")),
    ("no such port", [{"name": "a", "port": 1}], (1, "NoValidBackend")),
    ("not granted", [{"name": "far", "namespace": "far"}, {"name": "a"}], (1, "NoValidBackend"), (1, "a")),
]


@pytest.mark.parametrize(("kind", "scheme"), [("TCPRoute", "http"), ("UDPRoute", "udp")])
@pytest.mark.parametrize(("backends", "shares"), [(s[1], s[2:]) for s in SHARES], ids=[s[0] for s in SHARES])
async def test_shares(kind: str, scheme: str, backends: list[dict[str, Any]], shares: Sequence[tuple[int, str]]):
    manifest = joined(udp_service("a"), udp_service("b"), udp_service("far", "far"))
    text = joined(gateway(TCP, UDP), stream(kind, "r", *backends), manifest)
    outcome = ask(await rendered(text, EDGE), f"GET {scheme}://x:53").l4_clusters
    total = sum(weight for weight, _ in shares)
    made_of = [(round(share.weight / share.total, 6), share.cluster.rpartition("|")[2]) for share in outcome]
    assert made_of == [
        (round(weight / total, 6), f"{name}.default.svc.cluster.local" if name in {"a", "b"} else name)
        for weight, name in shares
    ]


@pytest.mark.parametrize("kind", ["TLSRoute", "TCPRoute", "UDPRoute"])
async def test_a_grant_is_for_routes_of_one_kind(kind: str):
    names = {"hostnames": ["x"]} if kind == "TLSRoute" else {}
    request_url = {"TLSRoute": "https://x", "TCPRoute": "http://x:53", "UDPRoute": "udp://x:53"}[kind]
    routed = stream(kind, "r", {"name": "far", "namespace": "far"}, **names)
    text = joined(gateway(PASSED, TCP, UDP), routed, udp_service("far", "far"))
    for granted in ("TLSRoute", "TCPRoute", "UDPRoute"):
        from_ = [{"group": GROUP, "kind": granted, "namespace": "default"}]
        spec = {"from": from_, "to": [{"group": "", "kind": "Service"}]}
        all_of_it = joined(text, doc("ReferenceGrant", "g", spec, namespace="far"))
        reply = await answer(all_of_it, f"GET {request_url}")
        assert ("far.far" in reply, "NoValidBackend" in reply) == (granted == kind, granted != kind)
        refused = [("r", "RefNotPermitted", "spec.rules[0].backendRefs[0].namespace")]
        assert await reasons(all_of_it) == ([] if granted == kind else refused)


async def test_a_port_of_the_other_protocol_is_no_backend():
    only = doc("Service", "dns", {"ports": [{"name": "udp", "port": 8000, "protocol": "UDP"}]}, "v1")
    text = joined(gateway(TCP, UDP), stream("TCPRoute", "t", "dns"), stream("UDPRoute", "u", "web"), only)
    where = "spec.rules[0].backendRefs[0].port"
    assert await reasons(joined(text, services("web"))) == [
        ("t", "BackendNotFound", where),
        ("u", "BackendNotFound", where),
    ]


@pytest.mark.parametrize(
    ("kind", "section", "reason"),
    [
        ("TLSRoute", "l0", "NoMatchingListenerHostname"),
        ("TLSRoute", "l1", "NotAllowedByListeners"),
        ("TLSRoute", "l9", "NoMatchingParent"),
        ("TCPRoute", "l0", "NotAllowedByListeners"),
        ("TCPRoute", "l2", "NotAllowedByListeners"),
        ("UDPRoute", "l1", "NotAllowedByListeners"),
        ("UDPRoute", "l3", "NotAllowedByListeners"),
    ],
)
async def test_why_a_route_is_not_attached(kind: str, section: str, reason: str):
    names = {"hostnames": ["b.example.com"]} if kind == "TLSRoute" else {}
    listeners = ({**PASSED, "hostname": "a.example.com"}, TCP, UDP, {"port": 80, "protocol": "HTTP"})
    text = joined(gateway(*listeners), stream(kind, "r", "web", section=section, **names), udp_service("web"))
    assert await reasons(text) == [("r", reason, "spec.parentRefs[0]")]


async def test_listeners_that_conflict_are_not_served():
    clash = gateway({"port": 53, "protocol": "HTTP"}, TCP, UDP)
    routes = [stream("TCPRoute", "tcp", "a"), stream("UDPRoute", "udp", "a")]
    text = joined(clash, *routes, udp_service("a"))
    assert list((await rendered(text, EDGE)).of_type(LISTENER)) == ["127.0.0.1_53_udp"]


async def test_routes_that_do_not_serve_are_attached_all_the_same():
    routes = [
        stream("TCPRoute", "a", "a", created=NEW),
        stream("TCPRoute", "b", "a", created=OLD),
        stream("UDPRoute", "u", "no"),
    ]
    status = await statuses(gateway(TCP, UDP, PASSED), *routes, udp_service("a"))
    listeners = {listener["name"]: listener for listener in status["Gateway edge"]["listeners"]}
    assert {
        name: (listener["attachedRoutes"], listener["supportedKinds"][0]["kind"])
        for name, listener in listeners.items()
    } == {
        "l0": (2, "TCPRoute"),
        "l1": (1, "UDPRoute"),
        "l2": (0, "TLSRoute"),
    }
    (beaten,), (nobody,) = status["TCPRoute a"]["parents"], status["UDPRoute u"]["parents"]
    assert status_of(beaten) == {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}
    assert status_of(nobody) == {"Accepted": "Accepted", "ResolvedRefs": "!BackendNotFound"}


async def test_routes_for_bytes_hold_at_gateways_alone():
    parent = {"kind": "Service", "group": "", "name": "a"}
    spec = {"parentRefs": [parent], "rules": [{"backendRefs": [{"name": "a", "port": 8000}]}]}
    text = joined(doc("TCPRoute", "mesh", spec), udp_service("a"))
    assert await reasons(text) == [("mesh", "ParentNotServed", "spec.parentRefs[0].kind")]
    assert await statuses(text) == {}, "nothing is said of what is not ours"


async def test_a_router_listens_on_the_ports_behind_its_own_service():
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 1053},
        {"name": "dns-tcp", "port": 53, "targetPort": 2053},
    ]
    front = doc("Service", "edge", {"selector": dict(EDGE.labels), "ports": ports}, "v1")
    routes = [stream("TCPRoute", "tcp", "a"), stream("UDPRoute", "udp", "a")]
    served = await rendered(joined(gateway(TCP, UDP), front, *routes, udp_service("a")), EDGE)
    assert sorted(served.of_type(LISTENER)) == ["127.0.0.1_1053_udp", "127.0.0.1_2053"]


async def test_a_listener_set_brings_listeners_for_bytes():
    edge = gateway({}).replace("listeners:", "allowedListeners: {namespaces: {from: Same}}\n  listeners:")
    more = [{"name": "l0", **UDP}, {"name": "l1", **TCP}]
    added = doc("ListenerSet", "more", {"parentRef": {"name": "edge"}, "listeners": more})
    parents = [{"kind": "ListenerSet", "name": "more"}]
    rules = [{"backendRefs": [{"name": "a", "port": 8000}]}]
    routes = [doc(kind, "r", {"parentRefs": parents, "rules": rules}) for kind in ("TCPRoute", "UDPRoute")]
    served = await rendered(joined(edge, added, *routes, udp_service("a")), EDGE)
    assert [brief(ask(served, f"GET {scheme}://x:53")) for scheme in ("http", "udp")] == ["tcp a", "udp a"]
