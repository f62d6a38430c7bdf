"""Which listeners are served: conflicts, ListenerSets, classes of other controllers."""

from collections.abc import Mapping
from typing import Any

import pytest

from mirrorplane.controlplane.commands.adopted_classes import AdoptionError, adopted_controllers
from mirrorplane.translators.gateway_api.names import router_label
from tests.builders import objects, plane_of
from tests.gateway_manifests import EDGE, answer, doc, gateway, route, rule_to, services
from tests.traffic_language import ask, brief

ASK = "GET http://web.example.com"
OTHER_PORT = {"name": "more", "port": 81, "protocol": "HTTP"}


def edge(allowed: Mapping[str, Any] | None = None, *listeners: Mapping[str, Any]) -> str:
    """The class and a Gateway that lets some ListenerSets join."""
    specs = [
        {"name": f"l{i}", "port": 80, "protocol": "HTTP", **listener} for i, listener in enumerate(listeners or ({},))
    ]
    more = {"allowedListeners": {"namespaces": allowed}} if allowed is not None else {}
    spec = {"gatewayClassName": "ours", "listeners": specs, **more}
    controller = {"controllerName": "mirrorplane.io/gateway-controller"}
    return "---\n".join([doc("GatewayClass", "ours", controller), doc("Gateway", "edge", spec)])


def listener_set(name: str, *listeners: Mapping[str, Any], created: str = "", **metadata: Any) -> str:
    parent = {"name": "edge", "namespace": "default"}
    made_at = {"creationTimestamp": created} if created else {}
    return doc("ListenerSet", name, {"parentRef": parent, "listeners": list(listeners)}, **made_at, **metadata)


AT_SET = ({"kind": "ListenerSet", "name": "more"},)
ALLOWED = [
    (None, "default", "nothing"),
    ({}, "default", "nothing"),
    ({"from": "None"}, "default", "nothing"),
    ({"from": "Same"}, "default", "web"),
    ({"from": "Same"}, "shop", "nothing"),
    ({"from": "All"}, "shop", "web.shop.svc.cluster.local"),
    ({"from": "Selector", "selector": {"matchLabels": {"may": "join"}}}, "shop", "web.shop.svc.cluster.local"),
    ({"from": "Selector", "selector": {"matchLabels": {"may": "join"}}}, "default", "nothing"),
]


@pytest.mark.parametrize(("allowed", "namespace", "expected"), ALLOWED)
async def test_a_gateway_says_whose_listeners_join(allowed: Mapping[str, Any] | None, namespace: str, expected: str):
    document = doc("Namespace", "shop", {}, "v1", labels={"may": "join"})
    manifest = listener_set("more", OTHER_PORT, namespace=namespace)
    rules = route("web", rule_to("web"), parents=AT_SET, namespace=namespace)
    text = "---\n".join([edge(allowed), document, manifest, rules, services("web", namespace=namespace)])
    assert await answer(text, f"{ASK}:81/") == expected


async def test_routes_are_attached_to_the_set_or_to_the_gateway_and_not_to_both():
    manifest = listener_set("more", OTHER_PORT)
    at_gateway = route("a", rule_to("web"))
    text = "---\n".join([edge({"from": "Same"}), manifest, at_gateway, services("web")])
    assert (await answer(text, f"{ASK}/"), await answer(text, f"{ASK}:81/")) == ("web", "404")
    at_set = route("a", rule_to("web"), parents=AT_SET)
    text = "---\n".join([edge({"from": "Same"}), manifest, at_set, services("web")])
    assert (await answer(text, f"{ASK}/"), await answer(text, f"{ASK}:81/")) == ("404", "web")


async def test_of_listeners_that_conflict_the_gateways_own_goes_first_then_the_oldest_set_s():
    old, new = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"
    both = [
        listener_set("a", OTHER_PORT, {**OTHER_PORT, "name": "taken", "port": 80}, created=new),
        listener_set("b", OTHER_PORT, created=old),
    ]
    rules = [
        route(name, rule_to(name), parents=({"kind": "ListenerSet", "name": name},), hostnames=["web.example.com"])
        for name in ("a", "b")
    ]
    text = "---\n".join(
        [edge({"from": "Same"}), *both, *rules, route("own", rule_to("own")), services("a", "b", "own")]
    )
    assert (await answer(text, f"{ASK}/"), await answer(text, f"{ASK}:81/")) == ("own", "b")
    findings = {(f.reason, f.about.name, f.path) for f in (await plane_of(text)).findings.all()}
    assert findings == {
        ("HostnameConflict", "a", "spec.listeners[0].port"),
        ("HostnameConflict", "a", "spec.listeners[1].port"),
        ("ListenersNotServed", "a", "spec.parentRefs[0]"),
    }


async def test_of_listeners_of_a_gateway_that_conflict_none_is_served_and_others_are():
    listeners = [{"port": 80}, {"port": 80, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "x"}]}}]
    text = "---\n".join([edge(None, *listeners, {"port": 82}), route("web", rule_to("web")), services("web")])
    assert (await answer(text, f"{ASK}/"), await answer(text, f"{ASK}:82/")) == ("nothing", "web")
    findings = [(f.reason, f.path) for f in (await plane_of(text)).findings.all()]
    assert findings[:2] == [
        ("ProtocolConflict", "spec.listeners[0].protocol"),
        ("ProtocolConflict", "spec.listeners[1].protocol"),
    ]


async def test_classes_of_other_controllers_are_served_once_adopted():
    text = "---\n".join([gateway({}, controller="flomesh.io/x"), route("web", rule_to("web")), services("web")])
    assert await answer(text, f"{ASK}/") == "nothing"
    spec = {"controllerName": "flomesh.io/x", "profile": "fsm"}
    adopted = doc("AdoptedController", "fsm", spec, "mirrorplane.io/v1alpha1")
    assert await answer(f"{text}---\n{adopted}", f"{ASK}/") == "web"


async def test_an_adopted_class_is_served_whatever_its_parameters_for_the_proxies_of_others():
    parameters = {"group": "", "kind": "ConfigMap", "name": "replicas"}
    of_gateway = {"infrastructure": {"parametersRef": parameters}}
    edge = {"gatewayClassName": "istio", "listeners": [{"name": "l0", "port": 80, "protocol": "HTTP"}], **of_gateway}
    class_spec = {"controllerName": "istio.io/gateway-controller", "parametersRef": {**parameters, "namespace": "a"}}
    adopted = {"controllerName": "istio.io/gateway-controller"}
    text = "---\n".join(
        [
            doc("GatewayClass", "istio", class_spec),
            doc("Gateway", "edge", edge),
            doc("AdoptedController", "istio", adopted, "mirrorplane.io/v1alpha1"),
            route("web", rule_to("web")),
            services("web"),
        ]
    )
    assert await answer(text, f"{ASK}/") == "web"
    (of_class, of_edge) = sorted((await plane_of(text)).findings.all(), key=lambda f: f.about.name, reverse=True)
    assert (of_class.reason, of_class.path) == ("FieldUnused", "spec.parametersRef")
    assert (of_edge.reason, of_edge.path) == ("FieldUnused", "spec.infrastructure.parametersRef")
    assert (
        "ConfigMap replicas has no effect: it configures the proxies that istio.io/gateway-controller"
        in of_edge.message
    )


UNSERVED = [
    ({"addresses": [{"type": "Hostname", "value": "a.b"}]}, "UnsupportedAddress"),
    ({"infrastructure": {"parametersRef": {"group": "a.b", "kind": "C", "name": "d"}}}, "InvalidParameters"),
]


@pytest.mark.parametrize(("more", "reason"), UNSERVED)
async def test_a_gateway_that_asks_for_what_there_is_not_is_not_served(more: dict[str, Any], reason: str):
    spec = {"gatewayClassName": "ours", "listeners": [{"name": "l0", "port": 80, "protocol": "HTTP"}], **more}
    text = "---\n".join([edge(), doc("Gateway", "edge", spec), route("web", rule_to("web")), services("web")])
    assert await answer(text, f"{ASK}/") == "nothing"
    assert next(f.reason for f in (await plane_of(text)).findings.all()) == reason


CLASSLESS = [
    ((), ("fsm",), "web"),
    ((), ("another",), "nothing"),
    (("mirrorplane.io/gateway-controller=kgateway",), ("fsm",), "web"),
    (("flomesh.io/gateway-controller=fsm",), (), "nothing"),
]


@pytest.mark.parametrize(("controllers", "classes", "expected"), CLASSLESS)
async def test_the_command_line_stands_in_for_a_class(
    controllers: tuple[str, ...], classes: tuple[str, ...], expected: str
):
    listener = {"name": "l0", "port": 80, "protocol": "HTTP"}
    text = "---\n".join(
        [
            doc("Gateway", "edge", {"gatewayClassName": "fsm", "listeners": [listener]}),
            route("web", rule_to("web")),
            services("web"),
        ]
    )
    plane = await plane_of(text)
    for obj in adopted_controllers(controllers, classes):
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    assert brief(ask(plane.render(EDGE), f"{ASK}/")) == expected


@pytest.mark.parametrize("text", ["", "a.b/c", "=fsm", "a.b/c=", "a.b/c=nginx"])
def test_a_profile_that_there_is_not_is_refused(text: str):
    with pytest.raises(AdoptionError, match="write CONTROLLER=PROFILE, one of mirrorplane, fsm, kgateway"):
        list(adopted_controllers([text], ()))


def test_names_too_long_for_a_label_get_distinct_labels():
    names = ["a" * 62, "a" * 63, "a" * 64, "a" * 65, "a" * 253]
    labels = [router_label(name) for name in names]
    assert labels[:2] == names[:2]
    assert len(set(labels)) == len(names)
    assert {len(label) for label in labels[2:]} == {63}


NAMES = ("gateway-api:default/edge", "edge.gateway-api:default", "./gateway-api:default/edge", "default/edge", "edge")


@pytest.mark.parametrize("name", NAMES)
async def test_rules_of_istio_do_not_hold_at_a_gateway_whatever_they_call_it(name: str):
    rule = {"route": [{"destination": {"host": "till.shop.svc.cluster.local", "port": {"number": 8000}}}]}
    spec = {"hosts": ["web.example.com"], "gateways": [name], "http": [rule], "tcp": [rule]}
    theirs = doc("VirtualService", "theirs", spec, "networking.istio.io/v1", namespace="shop")
    listeners = edge(None, {}, {"port": 81, "protocol": "TCP"})
    specs = [listeners, route("web", rule_to("web")), services("web"), services("till", namespace="shop"), theirs]
    plane = await plane_of("---\n".join(specs))
    served = plane.render(EDGE)
    assert [brief(ask(served, f"{ASK}:{port}")) for port in (80, 81)] == ["web", "nothing"]
    assert ("GatewayNotFound", "VirtualService") in [
        (f.reason, f.about.kind.rpartition("/")[2]) for f in plane.findings.all()
    ]


async def test_an_https_listener_without_a_certificate_accepts_no_client():
    text = "---\n".join(
        [edge(None, {"protocol": "HTTPS"}, {"port": 81}), route("web", rule_to("web")), services("web")]
    )
    assert (await answer(text, f"{ASK}:80/"), await answer(text, f"{ASK}:81/")) == ("nothing", "web")
    assert await answer(text, "GET https://web.example.com:80/") == "nothing"


async def test_one_more_listener_set_builds_no_host_of_the_gateway_again():
    spec = "---\n".join([edge({"from": "Same"}), route("web", rule_to("web")), services("web")])
    plane = await plane_of(spec)
    plane.publisher.attach(EDGE, lambda _: None)
    await plane.publish()
    before = {call: entry for call, entry in plane.engine._entries.items() if call[0].__name__ == "_virtual_host"}
    (more,) = objects(listener_set("more", OTHER_PORT))
    plane.store.apply(more.ref, more)
    await plane.publish()
    assert before
    assert all(plane.engine._entries[call] is entry for call, entry in before.items())
    assert brief(ask(plane.render(EDGE), f"{ASK}:81/")) == "404"
