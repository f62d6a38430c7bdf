"""Gateways as routers see them: merging, Secrets, and what a change costs."""

from base64 import b64encode
from itertools import combinations

import msgspec
import trustme
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.credentials import Credential
from mirrorplane.api.kinds.istio import gateway as gw
from mirrorplane.api.kinds.kube import SERVICE
from mirrorplane.api.kinds.secret import SECRET as SECRET_KIND
from mirrorplane.api.kinds.secret import Entries, Secret
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import LISTENER, ROUTE, SECRET
from mirrorplane.api.snapshot import Snapshot
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.manifests.decode import decode, registry_of
from mirrorplane.translators.inputs.kube_secret import INPUT
from mirrorplane.translators.routers.servers import merge_servers
from mirrorplane.translators.scopes import criteria, scope_of
from tests import fast_yaml as yaml
from tests.builders import PlainView, decoded, objects, plane_of, rendered

LABELS = {"istio": "ingressgateway"}
EDGE = Proxy(
    "router", "edge", "default", labels=LABELS, identity="spiffe://cluster.local/ns/default/sa/istio-ingressgateway"
)
CA = trustme.CA()

HTTPS = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*"]
    tls: {mode: MUTUAL, credentialName: web}
"""


def secret(name: str, namespace: str = "default", **entries: bytes) -> str:
    data = {key.replace("_", "."): b64encode(value).decode() for key, value in entries.items()}
    metadata = {"name": name, "namespace": namespace}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def pair() -> dict[str, bytes]:
    issued = CA.issue_cert("web.example.com")
    return {"tls_crt": issued.cert_chain_pems[0].bytes(), "tls_key": issued.private_key_pem.bytes()}


async def test_secrets_are_for_routers_that_proved_their_namespace():
    text = f"{HTTPS}---\n{secret('web', **pair(), ca_crt=CA.cert_pem.bytes())}"
    served = await rendered(text, EDGE)
    assert set(served.of_type(SECRET)) == {"kubernetes://web", "kubernetes://web-cacert"}
    assert set(served.of_type(LISTENER)) == {"127.0.0.1_443"}
    for proxy in (
        msgspec.structs.replace(EDGE, identity=""),
        msgspec.structs.replace(
            EDGE, namespace="other", identity="spiffe://cluster.local/ns/other/sa/istio-ingressgateway"
        ),
        msgspec.structs.replace(EDGE, role="sidecar"),
    ):
        served = await rendered(text, proxy)
        assert not served.of_type(SECRET)
        assert not any("443" in name for name in served.of_type(LISTENER))


async def test_a_server_waits_for_its_secrets_and_nothing_else_does():
    plain = HTTPS + "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}\n"
    plane = await plane_of(plain)
    for manifest_text, ports in (
        (secret("web", **pair()), {80}),
        (secret("web-cacert", ca_crt=CA.cert_pem.bytes()), {80, 443}),
    ):
        (obj,) = objects(manifest_text)
        plane.store.apply(obj.ref, obj)
        await plane.publish()
        listeners = decoded(plane.render(EDGE), LISTENER).values()
        assert {listener["address"]["socket_address"]["port_value"] for listener in listeners} == ports


def test_a_secret_is_read_in_each_of_its_forms():
    issued = pair()
    forms = [
        Secret("kubernetes.io/tls", Entries(**{k: b64encode(v).decode() for k, v in issued.items()})),
        Secret(
            "Opaque", Entries(cert=b64encode(issued["tls_crt"]).decode(), key=b64encode(issued["tls_key"]).decode())
        ),
        Secret("Opaque", string_data=Entries(tls_crt=issued["tls_crt"].decode(), tls_key=issued["tls_key"].decode())),
    ]
    ref = Ref("Secret", "default", "web")
    credential = Credential(ref, issued["tls_crt"], issued["tls_key"], names=("web.example.com",))
    for spec in forms:
        assert not list(INPUT.validate(Object(ref, spec)))
        assert meaning(spec).credentials == (credential,)
    assert meaning(Secret(string_data=Entries(key="a password"))) == Lowered()


def meaning(spec: Secret) -> Lowered:
    return INPUT.lower(PlainView(Snapshot(1, {}, {}, frozenset()), ()), Object(Ref("Secret", "default", "web"), spec))


def test_a_key_of_another_certificate_is_refused_and_nothing_of_it_is_told():
    mixed = {"tls_crt": pair()["tls_crt"].decode(), "tls_key": pair()["tls_key"].decode()}
    obj = Object(Ref("Secret", "default", "web"), Secret("kubernetes.io/tls", string_data=Entries(**mixed)))
    (finding,) = INPUT.validate(obj)
    assert finding.message.startswith("the key does not belong to the certificate")
    output = repr(finding) + repr(obj) + repr(meaning(obj.spec))
    assert "BEGIN" not in output
    assert mixed["tls_key"].splitlines()[1] not in output


def test_what_kubectl_remembers_of_a_secret_is_not_kept():
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": '{"data": "hush"}', "kept": "yes"}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web", "annotations": annotations}}
    obj = decode({**manifest, "data": {"password": "hush"}}, registry_of([SECRET_KIND, SERVICE])).object
    assert obj is not None
    assert obj.annotations == {"kept": "yes"}
    assert "hush" not in repr(msgspec.to_builtins(obj))


RULES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-%d}
spec:
  hosts: [web-%d.example.com]
  gateways: [edge]
  http: [{redirect: {uri: /%s}}]
"""


async def test_a_change_of_rules_costs_its_own_part():
    gateway = HTTPS.replace("HTTPS", "HTTP").replace("    tls: {mode: MUTUAL, credentialName: web}\n", "")
    plane = await plane_of("---\n".join([gateway, *(RULES % (i, i, "old") for i in range(300))]))
    offered = []
    plane.publisher.attach(EDGE, offered.append)
    runs = plane.engine.runs
    (obj,) = objects(RULES % (7, 7, "new"))
    plane.store.apply(obj.ref, obj)
    await plane.publish()
    assert plane.engine.runs - runs < 40
    before, after = (offered[i].of_type(ROUTE)["http.443"].chunks for i in (0, -1))
    assert len(before) == len(after) > 60
    assert len(set(before) ^ set(after)) == 2


servers = st.lists(
    st.builds(
        gw.Server,
        st.builds(gw.Port, st.sampled_from([80, 443]), st.sampled_from(["HTTP", "HTTPS", "TLS", "TCP"])),
        st.sampled_from(["", "", "127.0.0.9"]),
        st.lists(st.sampled_from(["*", "*.a.com", "b.a.com", "./b.a.com", "c.com"]), min_size=1, max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=4,
)


@given(st.lists(servers, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_every_server_is_served_or_left_out_and_envoy_can_tell_those_that_share_a_port_apart(server_lists, dice):
    manifests = [manifest(i, servers) for i, servers in enumerate(server_lists)]
    merged = merging(manifests)
    dice.shuffle(manifests)
    assert merging(manifests) == merged, "age decides, and not the order of reading"
    gateway_servers = [
        (gateway_server.about, gateway_server.server)
        for binding in merged.bindings
        for gateway_server in binding.gateway_servers
    ]
    unserved = [(server.about, server.server) for server in merged.unserved]
    assert sorted(map(repr, gateway_servers + unserved)) == sorted(
        repr((g.ref, s)) for m in manifests for g in lowered(m) for s in g.servers
    )
    assert len({(o.address, o.port) for o in merged.bindings}) == len(merged.bindings)
    for binding in merged.bindings:
        for a, b in combinations([gateway_server.server for gateway_server in binding.gateway_servers], 2):
            assert a.tls == b.tls
            assert a.tls or a.protocol is b.protocol
            assert not a.tls or not {h.host for h in a.hosts} & {h.host for h in b.hosts}


def manifest(index: int, specs: list[gw.Server]) -> Object:
    tls = gw.ServerTLSSettings(mode="SIMPLE", server_certificate="/c", private_key="/k")
    with_tls = [msgspec.structs.replace(s, tls=tls if s.port.protocol in {"HTTPS", "TLS"} else None) for s in specs]
    return Object(
        Ref(gw.GATEWAY.key, "default", f"g{index}"), gw.Gateway(tuple(with_tls)), created=f"2024-01-0{index + 1}"
    )


def merging(manifests: list[Object]):
    snapshot = Snapshot(1, {m.ref: m for m in manifests}, {("gateways", "*"): tuple(manifests)}, frozenset())
    view = PlainView(snapshot, catalogue().inputs)
    return merge_servers(view, scope_of(EDGE, criteria(view)))


def lowered(obj: Object):
    return PlainView(Snapshot(1, {obj.ref: obj}, {}, frozenset()), catalogue().inputs).lowered(obj.ref).gateways


async def test_servers_that_spell_one_address_differently_share_its_routes():
    text = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  servers:
  - {port: {number: 80, name: a, protocol: HTTP}, hosts: [a.com], tls: {httpsRedirect: true}}
  - {port: {number: 80, name: b, protocol: HTTP}, hosts: [b.com], bind: 127.0.0.1, tls: {httpsRedirect: true}}
"""
    served = await rendered(text, EDGE)
    (configuration,) = decoded(served, ROUTE).values()
    assert configuration["name"] == "http.80"
    assert [host["name"] for host in configuration["virtual_hosts"]] == ["a.com:80", "b.com:80"]


async def test_servers_that_spell_an_address_of_their_own_differently_share_its_listener():
    text = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  servers:
  - {port: {number: 80, name: a, protocol: HTTP}, hosts: [a.com], bind: "FD00::A"}
  - {port: {number: 80, name: b, protocol: HTTP}, hosts: [b.com], bind: "fd00:0::a"}
"""
    assert set((await rendered(text, EDGE)).of_type(LISTENER)) == {"fd00::a_80"}
