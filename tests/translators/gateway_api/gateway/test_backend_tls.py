"""BackendTLSPolicy, rule by rule: which policy holds for a port, for whom, and through which Gateways."""

import pytest
import trustme

from mirrorplane.api.kinds.config_map import ConfigMap, Entries
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.resource import CLUSTER, SECRET
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators.inputs.kube_config_map import validate
from mirrorplane.translators.status.backend_tls_policy import ancestors
from tests.builders import SLEEP, decoded, plane_of, rendered
from tests.gateway_conditions import brief, statuses
from tests.gateway_manifests import EDGE, GROUP, doc, gateway, route, rule_to, services

WEB = "web.default.svc.cluster.local"
KIND = f"{GROUP}/BackendTLSPolicy"
BOTH_PORTS = "  - {name: dns, port: 8000, protocol: UDP}\n  - {name: http, port: 8000}\n"


def policy(
    name: str, target: str = "web", *authorities: str, port: str = "", created: str = "", namespace: str = "default"
):
    """A policy whose server name is its own name."""
    refs = [{"group": "", "kind": "ConfigMap", "name": kind} for kind in authorities]
    trusted = {"caCertificateRefs": refs} if refs else {"wellKnownCACertificates": "System"}
    spec = {"targetRefs": [{"group": "", "kind": "Service", "name": target, "sectionName": port}]}
    return doc(
        "BackendTLSPolicy",
        name,
        {**spec, "validation": {"hostname": f"{name}.example.com", **trusted}},
        creationTimestamp=created,
        namespace=namespace,
    )


def authority(name: str, text: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{ca.crt: {text}}}\n"


def joined(*texts: str) -> str:
    return "---\n".join(texts)


def asked(plane: Plane, direction: str = "outbound") -> str:
    """The server name that a router asks for, "" when it speaks plain text."""
    cluster = decoded(plane.render(EDGE), CLUSTER)[f"{direction}|8000||{WEB}"]
    return cluster.get("transport_socket", {}).get("typed_config", {}).get("sni", "")


@pytest.mark.parametrize(
    ("policies", "sni"),
    [
        ([], ""),
        ([policy("a")], "a.example.com"),
        ([policy("a"), policy("b", port="http")], "b.example.com"),
        ([policy("a", created="2021"), policy("b", created="2020")], "b.example.com"),
        ([policy("a", created="2020"), policy("b", created="2020")], "a.example.com"),
        ([policy("a", port="grpc")], ""),
        ([policy("a", namespace="shop")], ""),
    ],
)
async def test_one_policy_applies_to_a_port(policies: list[str], sni: str):
    copied = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "web", "port": 8000}}}
    plane = await plane_of(
        joined(gateway({}), route("web", rule_to("web", filters=[copied])), services("web"), *policies)
    )
    assert asked(plane) == sni
    assert asked(plane, "mirror") == sni, "copies are called as the service is"


@pytest.mark.parametrize(("port", "sni"), [("dns", ""), ("http", "a.example.com"), ("", "a.example.com")])
async def test_a_port_for_udp_of_the_same_number_is_another(port: str, sni: str):
    both = services("web").replace("  - name: http\n    port: 8000\n", BOTH_PORTS, 1)
    assert BOTH_PORTS in both
    assert asked(await plane_of(joined(both, policy("a", port=port)))) == sni


async def test_sidecars_ignore_backend_tls_policies():
    served = decoded(await rendered(joined(services("web"), policy("a")), SLEEP), CLUSTER)
    assert "transport_socket" not in served[f"outbound|8000||{WEB}"]


async def test_other_settings_of_a_destination_rule_still_apply():
    rule = {
        "host": "web",
        "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 7}}, "tls": {"mode": "ISTIO_MUTUAL"}},
    }
    manifest = doc("DestinationRule", "web", rule, "networking.istio.io/v1")
    plane = await plane_of(joined(services("web"), manifest, policy("a")))
    assert asked(plane) == "a.example.com"
    cluster = decoded(plane.render(EDGE), CLUSTER)[f"outbound|8000||{WEB}"]
    assert cluster["circuit_breakers"]["thresholds"][0]["max_connections"] == 7


async def test_authorities_are_resources_of_their_own_also_for_routers_that_have_proved_nothing():
    text = joined(services("web"), authority("one", "ONE"), authority("two", "TWO"), authority("else", "ELSE"))
    plane = await plane_of(joined(text, policy("a", "web", "one", "two", "missing")))
    secrets = {name: bytes(r.body) for name, r in plane.render(EDGE).of_type(SECRET).items()}
    assert list(secrets) == ["authorities://ConfigMap/default/one,ConfigMap/default/two"]
    assert b"ONE\nTWO" in next(iter(secrets.values()))
    plane.store.apply(Ref("ConfigMap", "default", "one"), None)
    plane.store.apply(Ref("ConfigMap", "default", "two"), None)
    await plane.publish()
    assert not plane.render(EDGE).of_type(SECRET)
    closed = decoded(plane.render(EDGE), CLUSTER)[f"outbound|8000||{WEB}"]
    assert (closed["type"], "load_assignment" in closed) == ("STATIC", False), "never plain text"
    assert "NoValidCACertificate" in {finding.reason for finding in plane.findings.all()}


async def test_ancestors_are_the_gateways_whose_routes_send_or_copy_to_a_target():
    copied = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy", "port": 8000}}}
    rules = rule_to("web", filters=[copied])
    text = joined(
        gateway({}),
        doc(
            "Gateway",
            "other",
            {"gatewayClassName": "ours", "listeners": [{"name": "a", "port": 80, "protocol": "HTTP"}]},
        ),
        services("web", "copy", "idle"),
        route("web", rules),
        *(policy(name, name) for name in ("web", "copy", "idle")),
    )
    plane = await plane_of(text)
    view, edge, second = (
        plane.engine.view,
        Ref(f"{GROUP}/Gateway", "default", "edge"),
        Ref(f"{GROUP}/Gateway", "default", "other"),
    )

    def of(name: str) -> tuple[Ref, ...]:
        obj = view.get(Ref(KIND, "default", name))
        assert obj is not None
        return ancestors(view, obj)

    assert (of("web"), of("copy"), of("idle")) == ((edge,), (edge,), ())
    plane = await plane_of(joined(text, route("web", rules, parents=({}, {"name": "other"}))))
    view = plane.engine.view
    assert of("copy") == (edge, second)
    refs = {"parentRefs": [{"name": "other"}], "rules": [{"backendRefs": [{"name": "idle", "port": 8000}]}]}
    plane = await plane_of(joined(text, doc("GRPCRoute", "calls", refs)))
    view = plane.engine.view
    assert (of("web"), of("idle")) == ((edge,), (second,))


ONE = trustme.CA().cert_pem.bytes().decode()
UNFINISHED = "-----BEGIN CERTIFICATE-----\nAAAA\n"
REVOKED = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("", True),
        (ONE, True),
        (ONE + ONE, True),
        (f"issued by hand\r\n{ONE}".replace("\n", "\r\n"), True),
        ("no certificate", False),
        (ONE.rstrip() + ONE, False),
        (ONE + UNFINISHED, False),
        (ONE + UNFINISHED + "-----END CERTIFICATE-----\n", False),
        (ONE + REVOKED, False),
    ],
)
def test_authorities_that_envoy_would_refuse_are_refused(text: str, valid: bool):
    """Which of them Envoy takes was seen with `envoy --mode validate`."""
    obj = Object(Ref("ConfigMap", "default", "ca"), ConfigMap(Entries(text)))
    assert [finding.path for finding in validate(obj)] == ([] if valid else ["data[ca.crt]"])


HOLDS = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([policy("a", "web", "ca")], HOLDS),
        ([policy("a")], HOLDS),
        ([policy("a"), policy("b", port="http")], HOLDS),
        ([policy("a", created="2021"), policy("b", created="2020")], HOLDS | {"Accepted": "!Conflicted"}),
        ([policy("a", port="grpc")], HOLDS | {"Accepted": "!TargetNotFound"}),
        (
            [policy("a", "web", "none")],
            {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidCACertificateRef"},
        ),
        (
            [policy("a", "web", "ca").replace("kind: ConfigMap", "kind: Magic")],
            {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidKind"},
        ),
        ([policy("a", "web", "ca", "none")], HOLDS | {"ResolvedRefs": "!InvalidCACertificateRef"}),
    ],
)
async def test_a_policy_says_at_each_gateway_how_it_stands(policies: list[str], expected: dict[str, str]):
    world = gateway({}), route("web", rule_to("web")), services("web"), authority("ca", "CA")
    (entry,) = (await statuses(*world, *policies))["BackendTLSPolicy a"]["ancestors"]
    assert brief(entry) == expected
    group = {"group": GROUP, "kind": "Gateway"}
    assert entry["ancestorRef"] == {**group, "namespace": "default", "name": "edge"}
    assert entry["controllerName"] == "mirrorplane.io/gateway-controller"


async def test_a_policy_that_no_gateway_uses_has_no_status():
    assert "BackendTLSPolicy a" not in await statuses(gateway({}), services("web"), policy("a"))
