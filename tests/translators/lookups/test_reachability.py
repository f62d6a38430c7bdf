"""`check`, the data plane and status conditions agree about what a route sends and mirrors to."""

from typing import Any

import pytest

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import ROUTE
from mirrorplane.api.tracing import Forwarded
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.status.conditions import Plain
from tests.builders import decoded, plane_of
from tests.gateway_manifests import EDGE, GROUP, doc, gateway, path, route, rule_to, services
from tests.traffic_language import ask, brief

NOW = "2026-01-01T00:00:00Z"
WEB = Ref(f"{GROUP}/HTTPRoute", "default", "web")
GRANT = doc(
    "ReferenceGrant",
    "all",
    {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "default"}],
        "to": [{"group": "", "kind": "Service"}],
    },
    f"{GROUP}/v1beta1",
    namespace="shop",
)
TILL = {"name": "till", "namespace": "shop", "port": 8000}
MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": TILL}}
ONLY, BESIDE = {"backendRefs": [TILL]}, rule_to("web", filters=[MIRROR])
BACKEND_PATH, MIRROR_PATH = "spec.rules[0].backendRefs[0]", "spec.rules[0].filters[0].requestMirror.backendRef"
PRIVATE = "no service till.shop.svc.cluster.local is visible from namespace default"
MUTUAL = doc(
    "DestinationRule",
    "till",
    {"host": "till.shop.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}},
    "networking.istio.io/v1",
)


def exported(text: str, to_namespaces: str) -> str:
    """Services with the annotation that says which namespaces see them."""
    key = "networking.istio.io/exportTo"
    return text.replace(
        "kind: Service\nmetadata:\n", f"kind: Service\nmetadata:\n  annotations: {{{key}: '{to_namespaces}'}}\n"
    )


def status_of(plane: Plane, ref: Ref = WEB) -> Plain:
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, NOW)
    return dict(plane.statuses.statuses())[ref]


def resolved(plane: Plane) -> dict[str, Any]:
    """The condition ResolvedRefs of the route at its first parent."""
    (condition,) = (c for c in status_of(plane)["parents"][0]["conditions"] if c["type"] == "ResolvedRefs")
    return condition


def errors(plane: Plane, ref: Ref = WEB) -> list[Finding]:
    """What `check` reports."""
    return [f for f in plane.findings.all() if f.about == ref and f.severity is Severity.ERROR]


def mirrored(plane: Plane) -> bool:
    return "request_mirror_policies" in str(decoded(plane.render(EDGE), ROUTE))


@pytest.mark.parametrize("rule", [ONLY, BESIDE], ids=["backend", "mirror"])
async def test_what_can_be_sent_to_is_resolved(rule: dict[str, Any]):
    world = (gateway({}), services("web"), services("till", namespace="shop"), GRANT, route("web", rule))
    plane = await plane_of("---\n".join(world))
    assert errors(plane) == []
    assert (resolved(plane)["status"], mirrored(plane)) == ("True", rule is BESIDE)


UNREACHABLE = [
    ("private backend", ONLY, ".", "", f"{BACKEND_PATH}.name", "BackendNotFound", PRIVATE),
    ("private mirror", BESIDE, ".", "", f"{MIRROR_PATH}.name", "BackendNotFound", PRIVATE),
    ("mutual backend", ONLY, "*", MUTUAL, BACKEND_PATH, "NotCallable", "ISTIO_MUTUAL"),
    ("mutual mirror", BESIDE, "*", MUTUAL, MIRROR_PATH, "MirrorNotCallable", "ISTIO_MUTUAL"),
]


@pytest.mark.parametrize(
    ("rule", "export_to", "more", "path", "reason", "words"),
    [c[1:] for c in UNREACHABLE],
    ids=[c[0] for c in UNREACHABLE],
)
async def test_what_check_reports_of_a_destination_stands_in_the_status(
    rule: dict[str, Any], export_to: str, more: str, path: str, reason: str, words: str
):
    till = exported(services("till", namespace="shop"), export_to)
    texts = (gateway({}), services("web"), till, GRANT, more, route("web", rule))
    plane = await plane_of("---\n".join(filter(None, texts)))
    (finding,) = errors(plane)
    assert (finding.path, words in finding.message) == (path, True), finding
    assert resolved(plane)["reason"] == reason
    assert (resolved(plane)["status"], resolved(plane)["message"]) == ("False", f"{path}: {finding.message}")
    assert not mirrored(plane)


async def test_explain_reports_requests_to_a_backend_whose_policy_cannot_be_applied_as_503():
    till = exported(services("till", namespace="shop"), "*")
    plane = await plane_of("---\n".join((gateway({}), till, GRANT, MUTUAL, route("web", ONLY))))
    outcome = ask(plane.render(EDGE), "GET http://web/")
    assert isinstance(outcome.action, Forwarded)
    (target,) = outcome.action.targets
    assert (target.status, target.problem) == (503, f"cluster {target.cluster} has no endpoints")


RULE = Ref("networking.istio.io/VirtualService", "default", "web")


@pytest.mark.parametrize(
    ("gateways", "tls", "words"),
    [
        (["mesh"], {"mode": "ISTIO_MUTUAL"}, ["ISTIO_MUTUAL"]),
        (["mesh"], {"mode": "MUTUAL", "credentialName": "own"}, ["credentialName"]),
        (["edge"], {"mode": "ISTIO_MUTUAL"}, ["ISTIO_MUTUAL"]),
        (["edge"], {"mode": "MUTUAL", "credentialName": "own"}, []),  # routers are sent the Secret
        (["mesh"], {"mode": "SIMPLE"}, []),
    ],
)
async def test_istios_routes_report_a_policy_that_cannot_be_applied(
    gateways: list[str], tls: dict[str, str], words: list[str]
):
    api, till = "networking.istio.io/v1", "till.shop.svc.cluster.local"
    policy = doc("DestinationRule", "till", {"host": till, "trafficPolicy": {"tls": tls}}, api)
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    edge = doc("Gateway", "edge", {"selector": {"app": "edge"}, "servers": [server]}, api)
    backends = [{"destination": {"host": till, "port": {"number": 8000}}}]
    rule = doc("VirtualService", "web", {"hosts": ["web.x"], "gateways": gateways, "http": [{"route": backends}]}, api)
    plane = await plane_of("---\n".join((services("till", namespace="shop"), policy, edge, rule)))
    findings = [f for f in errors(plane, RULE) if f.reason == "NotCallable"]
    assert [f.path for f in findings] == ["spec.http[0].route[0].destination"] * len(words)
    assert all(word in finding.message for word, finding in zip(words, findings, strict=True))


async def test_a_backend_is_looked_for_from_the_namespace_of_the_gateway():
    """A Service exported to its own namespace is out of reach for routers elsewhere, whoever writes the route."""
    listener = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    till = services("till", namespace="shop")
    world = (gateway(listener), route("web", rule_to("till"), parents=[{"namespace": "default"}], namespace="shop"))
    ref = Ref(WEB.kind, "shop", "web")
    plane = await plane_of("---\n".join((*world, exported(till, "."))))
    assert [f.path for f in errors(plane, ref)] == [f"{BACKEND_PATH}.name"]
    plane = await plane_of("---\n".join((*world, exported(till, "default"))))
    assert errors(plane, ref) == []


async def test_a_condition_becomes_true_when_its_finding_clears():
    till = services("till", namespace="shop")
    plane = await plane_of("---\n".join((gateway({}), services("web"), exported(till, "."), GRANT, route("web", ONLY))))
    assert resolved(plane)["status"] == "False"
    public = await plane_of(till)
    for ref, obj in public.snapshot.objects.items():
        plane.store.apply(ref, obj)
    await plane.publish()
    assert (resolved(plane)["status"], errors(plane)) == ("True", [])


BAD_REGEX = {"path": {"type": "RegularExpression", "value": "/([a-z"}}
HOST_SET = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Host", "value": "x.y"}]}}
LONG = {"timeouts": {"request": "99999h"}}
UNSUPPORTED = [
    ("a regex", rule_to("web", BAD_REGEX), "matches[0].path", "the rule is dropped", "404"),
    ("one of two matches", rule_to("web", BAD_REGEX, path("/bad")), "matches[0].path", "the rule is dropped", "404"),
    (
        "a header",
        rule_to("web", path("/bad"), filters=[HOST_SET]),
        "filters[0].requestHeaderModifier.set[0]",
        "requests are answered 500",
        "500",
    ),
    ("a timeout", rule_to("web", path("/bad"), **LONG), "timeouts.request", "requests are answered 500", "500"),
    (
        "a header for one backend",
        {
            "matches": [path("/bad")],
            "backendRefs": [{"name": "web", "port": 8000, "filters": [HOST_SET]}, {"name": "web", "port": 8000}],
        },
        "backendRefs[0].filters[0].requestHeaderModifier.set[0]",
        "its share of requests is answered 500",
        "NoValidBackend (500) 1 + web 1",
    ),
]


@pytest.mark.parametrize(
    ("rule", "field", "effect", "answer"),
    [case[1:] for case in UNSUPPORTED],
    ids=[case[0] for case in UNSUPPORTED],
)
async def test_a_value_that_only_envoy_rejects_costs_its_rule_alone(
    rule: dict[str, Any], field: str, effect: str, answer: str
):
    """The API server accepts it, so the route has a status, and its other rules are served."""
    rules = (rule_to("web", path("/one")), rule, rule_to("web", path("/two")))
    plane = await plane_of("---\n".join((gateway({}), services("web"), route("web", *rules))))
    (finding,) = errors(plane)
    assert (finding.reason, finding.path) == ("UnsupportedValue", f"spec.rules[1].{field}")
    assert finding.message.endswith(f"; {effect}")
    conditions = {c["type"]: c for c in status_of(plane)["parents"][0]["conditions"]}
    assert conditions["Accepted"]["status"] == "True"
    invalid = conditions["PartiallyInvalid"]
    assert (invalid["status"], invalid["reason"]) == ("True", "UnsupportedValue")
    assert invalid["message"] == f"Dropped Rule 1: {finding.path}: {finding.message}"
    served = plane.render(EDGE)
    assert [brief(ask(served, f"GET http://web/{where}")) for where in ("one", "bad", "two")] == ["web", answer, "web"]


async def test_a_route_none_of_whose_rules_can_be_served_is_not_accepted():
    plane = await plane_of("---\n".join((gateway({}), services("web"), route("web", rule_to("web", BAD_REGEX)))))
    (finding,) = errors(plane)
    (accepted,) = (c for c in status_of(plane)["parents"][0]["conditions"] if c["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "UnsupportedValue")
    assert accepted["message"] == finding.message


async def test_a_route_whose_only_rule_serves_the_share_of_one_backend_is_accepted():
    host = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Host", "value": "x.y"}]}}
    failing, serving = {"name": "web", "port": 8000, "filters": [host]}, {"name": "web", "port": 8000}
    for backends, accepted in (([failing, serving], "True"), ([failing, {**serving, "weight": 0}], "False")):
        rule = {**rule_to("web", path("/")), "backendRefs": backends}
        plane = await plane_of("---\n".join((gateway({}), services("web"), route("web", rule))))
        conditions = {c["type"]: c["status"] for c in status_of(plane)["parents"][0]["conditions"]}
        assert conditions["Accepted"] == accepted
        assert conditions.get("PartiallyInvalid") == ("True" if accepted == "True" else None)
