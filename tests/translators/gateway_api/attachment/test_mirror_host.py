"""The host of copies: what the class says, and kgateway's TrafficPolicy."""

from collections.abc import Mapping
from typing import Any

import pytest

from mirrorplane.api.tracing import Forwarded
from mirrorplane.translators.matching.forwarding import mirror_authority
from tests.builders import plane_of, rendered
from tests.gateway_manifests import EDGE, doc, route, rule_to, services
from tests.traffic_language import ask, brief

MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy", "port": 8000}}}
HOST = "web.example.com"
SUFFIXED = "web.example.com-shadow"
OURS = "mirrorplane.io/v1alpha1"


def world(*more: str, parameters: str = "", controller: str = "mirrorplane.io/gateway-controller") -> str:
    """A Gateway with two listeners, a route with two rules that copy, and the policies under test."""
    ref = {"parametersRef": {"group": "mirrorplane.io", "kind": "GatewayParameters", "name": parameters}}
    spec = {"controllerName": controller, **(ref if parameters else {})}
    specs = [{"name": f"l{i}", "port": 80 + i, "protocol": "HTTP"} for i in range(2)]
    rules = [
        {**rule_to("web", {"path": {"value": "/a"}}), "name": "a", "filters": [MIRROR]},
        {**rule_to("web", {"path": {"value": "/b"}}), "filters": [MIRROR]},
    ]
    labels = {"labels": {"team": "shop"}}
    return "---\n".join(
        [
            doc("GatewayClass", "ours", spec),
            doc("Gateway", "edge", {"gatewayClassName": "ours", "listeners": specs}, **labels),
            route("web", *rules),
            services("web", "copy"),
            *more,
        ]
    )


def policy(name: str, target: Mapping[str, Any], created: str = "2020-01-01T00:00:00Z", **spec: Any) -> str:
    refs = {"targetSelectors" if "matchLabels" in target else "targetRefs": [{"group": GROUP, **target}]}
    metadata = {"creationTimestamp": created}
    return doc("TrafficPolicy", name, {**refs, "requestMirror": spec}, "gateway.kgateway.dev/v1alpha1", **metadata)


GROUP = "gateway.networking.k8s.io"
ROUTE, GATEWAY = {"kind": "HTTPRoute", "name": "web"}, {"kind": "Gateway", "name": "edge"}
LISTENER, RULE = {**GATEWAY, "sectionName": "l1"}, {**ROUTE, "sectionName": "a"}


async def copies(text: str) -> tuple[str, str, str]:
    """The hosts of copies for both rules at the first listener, and for the second at the other."""
    served, resources = await rendered(text, EDGE), []
    for url in (f"GET http://{HOST}/a", f"GET http://{HOST}/b", f"GET http://{HOST}:81/b"):
        action = ask(served, url).action
        assert isinstance(action, Forwarded)
        resources.append(mirror_authority(action.mirrors[0], action.targets[0]).removesuffix(":81"))
    return resources[0], resources[1], resources[2].replace(":81", "")


async def test_a_class_says_whether_copies_have_a_suffix():
    assert await copies(world()) == (HOST, HOST, HOST)
    document = doc("GatewayParameters", "loud", {"mirroring": {"shadowHostSuffix": True}}, OURS)
    assert await copies(world(document, parameters="loud")) == (SUFFIXED, SUFFIXED, SUFFIXED)
    manifest = world(parameters="loud")
    assert await copies(manifest) == (HOST, HOST, HOST), "parameters that are not there are as none"
    assert [(f.reason, f.path) for f in (await plane_of(manifest)).findings.all()] == [
        ("InvalidParameters", "spec.parametersRef.name")
    ]


@pytest.mark.parametrize(("profile", "host"), [("fsm", HOST), ("kgateway", SUFFIXED), ("mirrorplane", HOST)])
async def test_a_controller_is_stood_in_for(profile: str, host: str):
    adopted = doc("AdoptedController", "it", {"controllerName": "a.b/c", "profile": profile}, OURS)
    assert await copies(world(adopted, controller="a.b/c")) == (host, host, host)


PLAIN = {"disableShadowHostSuffixAppend": True}
POLICIES = [
    ((policy("p", GATEWAY),), (SUFFIXED, SUFFIXED, SUFFIXED)),
    ((policy("p", LISTENER),), (HOST, HOST, SUFFIXED)),
    ((policy("p", ROUTE, hostRewriteLiteral="a.b"),), ("a.b", "a.b", "a.b")),
    ((policy("p", RULE, hostRewriteLiteral="a.b"),), ("a.b", HOST, HOST)),
    ((policy("p", GATEWAY), policy("q", LISTENER, **PLAIN)), (SUFFIXED, SUFFIXED, HOST)),
    ((policy("p", LISTENER), policy("q", ROUTE, **PLAIN)), (HOST, HOST, HOST)),
    ((policy("p", ROUTE), policy("q", RULE, **PLAIN)), (HOST, SUFFIXED, SUFFIXED)),
    ((policy("p", GATEWAY, "2021-01-01T00:00:00Z"), policy("q", GATEWAY, **PLAIN)), (HOST, HOST, HOST)),
    ((policy("q", GATEWAY), policy("p", GATEWAY, **PLAIN)), (HOST, HOST, HOST)),
    ((policy("p", {"kind": "Gateway", "matchLabels": {"team": "shop"}}),), (SUFFIXED, SUFFIXED, SUFFIXED)),
    ((policy("p", {"kind": "Gateway", "matchLabels": {"team": "till"}}),), (HOST, HOST, HOST)),
]


@pytest.mark.parametrize(("policies", "hosts"), POLICIES)
async def test_the_most_specific_policy_wins_then_the_oldest(policies: tuple[str, ...], hosts: tuple[str, str, str]):
    assert await copies(world(*policies)) == hosts


async def test_a_rule_names_a_policy_itself():
    spec = {"requestMirror": {"hostRewriteLiteral": "a.b"}}
    manifest = doc("TrafficPolicy", "own", spec, "gateway.kgateway.dev/v1alpha1")
    ref = {"group": "gateway.kgateway.dev", "kind": "TrafficPolicy", "name": "own"}
    rules = [
        {
            **rule_to("web", {"path": {"value": "/a"}}),
            "filters": [MIRROR, {"type": "ExtensionRef", "extensionRef": ref}],
        },
        {**rule_to("web", {"path": {"value": "/b"}}), "filters": [MIRROR]},
    ]
    text = "---\n".join([world(policy("p", ROUTE)), route("web", *rules)])
    assert await copies(f"{text}---\n{manifest}") == ("a.b", SUFFIXED, SUFFIXED)
    resources = await rendered(text, EDGE)
    assert brief(ask(resources, f"GET http://{HOST}/a")) == "500", "a filter that is not there may not be left out"
    assert brief(ask(resources, f"GET http://{HOST}/b")).startswith("web")


async def test_the_status_of_a_policy_lists_its_gateways():
    plane = await plane_of(world(policy("p", ROUTE), policy("lost", {"kind": "HTTPRoute", "name": "gone"})))
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, "2026-01-01T00:00:00Z")
    status = {ref.name: spec for ref, spec in plane.statuses.statuses() if ref.kind.endswith("TrafficPolicy")}
    assert set(status) == {"p"}
    (entry,) = status["p"]["ancestors"]
    assert entry["ancestorRef"] == {"group": GROUP, "kind": "Gateway", "namespace": "default", "name": "edge"}
    assert [(c["type"], c["status"]) for c in entry["conditions"]] == [("Accepted", "True"), ("Attached", "True")]


async def test_policies_without_a_target_are_reported():
    missing = policy("p", {"kind": "HTTPRoute", "name": "gone"})
    findings = (await plane_of(world(missing))).findings.all()
    assert [(f.reason, f.about.name, f.path) for f in findings] == [("TargetNotFound", "p", "spec.targetRefs[0].name")]
