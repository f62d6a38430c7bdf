"""Conditions of Gateway API's objects, by rule: what is said of listeners, parents and classes."""

from typing import Any

import msgspec
import pytest

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.commands.adopted_classes import adopted_controllers
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.status.conditions import Plain
from mirrorplane.translators.status import status_of
from tests.builders import objects, plane_of
from tests.controlplane.engine.cached_calls import cached_calls
from tests.gateway_conditions import ACCEPTED, NOW, Conditions, brief, refused, statuses, unresolved
from tests.gateway_manifests import GROUP, TILL, doc, gateway, path, route, rule_to, services

MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "gone", "port": 8000}}}


def sent(**ref: Any) -> dict[str, Any]:
    return {"backendRefs": [{"name": "web", "port": 8000, **ref}]}


ELSEWHERE = {"name": "till", "namespace": "shop"}
PARENTS = [
    ("attached", {}, (rule_to("web"),), {}, ACCEPTED),
    ("no such section", {"sectionName": "x"}, (rule_to("web"),), {}, refused("NoMatchingParent")),
    ("no such port", {"port": 99}, (rule_to("web"),), {}, refused("NoMatchingParent")),
    (
        "no host in common",
        {"sectionName": "l1"},
        (rule_to("web"),),
        {"hostnames": ["a.b"]},
        refused("NoMatchingListenerHostname"),
    ),
    (
        "not from there",
        {"namespace": "default"},
        (rule_to("web"),),
        {"namespace": "shop"},
        refused("NotAllowedByListeners"),
    ),
    ("not this kind", {"sectionName": "l2"}, (rule_to("web"),), {}, refused("NotAllowedByListeners")),
    ("nobody's kind", {}, (sent(kind="Magic"),), {}, unresolved("InvalidKind")),
    ("no backend", {}, (sent(name="gone"),), {}, unresolved("BackendNotFound")),
    ("no such port of it", {}, (sent(port=1),), {}, unresolved("BackendNotFound")),
    ("no grant", {}, (sent(**ELSEWHERE),), {}, unresolved("RefNotPermitted")),
    ("a mirror that is gone", {}, (rule_to("web", filters=[MIRROR]),), {}, unresolved("BackendNotFound")),
]


@pytest.mark.parametrize(("parent", "rules", "more", "expected"), [p[1:] for p in PARENTS], ids=[p[0] for p in PARENTS])
async def test_a_route_says_of_each_parent_how_it_stands(
    parent: dict[str, Any], rules: tuple[Any, ...], more: dict[str, Any], expected: Conditions
):
    tls_only = {"allowedRoutes": {"kinds": [{"kind": "TLSRoute"}]}}
    edge = gateway({}, {"port": 81, "hostname": "x.y"}, {"port": 82, **tls_only})
    objects = (services("web"), services("web", "till", namespace="shop"))
    status = await statuses(edge, route("web", *rules, parents=[parent], **more), *objects)
    (entry,) = status["HTTPRoute web"]["parents"]
    assert brief(entry) == expected


async def test_a_parent_is_named_as_the_api_server_stores_it():
    parents = [{}, {"sectionName": "l0", "port": 80, "namespace": "default"}]
    status = await statuses(
        gateway({}, {"port": 81}), route("web", rule_to("web"), parents=parents[1:]), services("web")
    )
    (entry,) = status["HTTPRoute web"]["parents"]
    assert entry["parentRef"] == {
        "group": GROUP,
        "kind": "Gateway",
        "namespace": "default",
        "name": "edge",
        "sectionName": "l0",
        "port": 80,
    }
    assert entry["controllerName"] == "mirrorplane.io/gateway-controller"
    (condition, _) = entry["conditions"]
    assert (condition["observedGeneration"], condition["lastTransitionTime"]) == (0, NOW)


async def test_objects_of_other_controllers_get_no_status():
    status = await statuses(gateway({}, controller="a.b/c"), route("web", rule_to("web")), services("web"))
    assert status == {}
    both = route(
        "web", rule_to("web"), parents=[{}, {"name": "gone"}, {"kind": "Service", "group": "", "name": "gone"}]
    )
    status = await statuses(gateway({}), both, services("web"))
    assert [entry["parentRef"]["name"] for entry in status["HTTPRoute web"]["parents"]] == ["edge"]


async def test_a_grant_that_is_withdrawn_takes_the_reference_back():
    granted = {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "default"}],
        "to": [{"group": "", "kind": "Service"}],
    }
    grant = doc("ReferenceGrant", "till", granted, f"{GROUP}/v1beta1", namespace="shop")
    world = (gateway({}), route("web", sent(**ELSEWHERE)), services("till", namespace="shop"))
    (entry,) = (await statuses(*world, grant))["HTTPRoute web"]["parents"]
    assert brief(entry) == ACCEPTED
    (entry,) = (await statuses(*world))["HTTPRoute web"]["parents"]
    assert brief(entry) == unresolved("RefNotPermitted")
    assert TILL.partition(".")[0] in entry["conditions"][1]["message"]


INVALID = {"Accepted": "!ListenersNotValid", "Programmed": "!ListenersNotValid"}
LISTENERS = [
    ("well", {}, {**ACCEPTED, "Programmed": "?Pending"}, ["HTTPRoute"]),
    ("unknown protocol", {"protocol": "a.b/c"}, {**refused("UnsupportedProtocol"), "Programmed": "!Invalid"}, []),
    (
        "only unknown kinds",
        {"allowedRoutes": {"kinds": [{"kind": "Magic"}]}},
        {**unresolved("InvalidRouteKinds"), "Programmed": "?Pending"},
        [],
    ),
    (
        "some unknown kinds",
        {"allowedRoutes": {"kinds": [{"kind": "Magic"}, {"kind": "HTTPRoute"}]}},
        {**unresolved("InvalidRouteKinds"), "Programmed": "?Pending"},
        ["HTTPRoute"],
    ),
    (
        "nothing of TLS",
        {"protocol": "HTTPS"},
        {**unresolved("InvalidCertificateRef"), "Programmed": "!Invalid"},
        ["HTTPRoute"],
    ),
    (
        "no certificate",
        {"protocol": "HTTPS", "tls": {"certificateRefs": [{"kind": "Magic", "name": "x"}]}},
        {**unresolved("InvalidCertificateRef"), "Programmed": "!Invalid"},
        ["HTTPRoute"],
    ),
]


@pytest.mark.parametrize(("listener", "expected", "kinds"), [p[1:] for p in LISTENERS], ids=[p[0] for p in LISTENERS])
async def test_a_gateway_says_of_each_listener_how_it_stands(
    listener: dict[str, Any], expected: Conditions, kinds: list[str]
):
    status = (await statuses(gateway({"port": 81}, listener)))["Gateway edge"]
    former, second = status["listeners"]
    assert (former["name"], second["name"]) == ("l0", "l1")
    assert brief(second) == expected
    assert set(kinds) <= {kind["kind"] for kind in second["supportedKinds"]}
    assert bool(kinds) == bool(second["supportedKinds"])
    assert brief(status)["Accepted"] == ("ListenersNotValid" if expected["Programmed"] == "!Invalid" else "Accepted")


NO_SECRET = {"protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "missing"}]}}


async def test_a_gateway_all_of_whose_certificates_are_bad_is_not_accepted():
    gateway_status = (await statuses(gateway(NO_SECRET, {**NO_SECRET, "port": 444})))["Gateway edge"]
    assert brief(gateway_status) == INVALID
    for listener in gateway_status["listeners"]:
        assert brief(listener) == {**unresolved("InvalidCertificateRef"), "Programmed": "!Invalid"}


async def test_a_listener_set_whose_certificate_needs_a_grant_is_not_accepted():
    allowed = "allowedListeners: {namespaces: {from: All}}"
    edge = gateway({}).replace("  gatewayClassName", f"  {allowed}\n  gatewayClassName")
    tls = {"certificateRefs": [{"name": "cert", "namespace": "elsewhere"}]}
    listener = {"name": "tls", "port": 443, "protocol": "HTTPS", "tls": tls}
    joined = doc("ListenerSet", "more", {"parentRef": {"name": "edge"}, "listeners": [listener]})
    status = await statuses(edge, joined)
    assert brief(status["ListenerSet more"]) == INVALID
    assert brief(status["ListenerSet more"]["listeners"][0])["ResolvedRefs"] == "!RefNotPermitted"
    assert brief(status["Gateway edge"])["Accepted"] == "Accepted", "its own listener is served"


async def test_conflicting_listeners_have_no_winner_and_the_gateway_says_so():
    https = {"protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "x"}]}}
    status = (await statuses(gateway({}, https)))["Gateway edge"]
    conflict = {
        "Accepted": "!ProtocolConflict",
        "ResolvedRefs": "ResolvedRefs",
        "Conflicted": "ProtocolConflict",
        "Programmed": "!ProtocolConflict",
    }
    assert [brief(listener) for listener in status["listeners"]] == [conflict, conflict]
    assert brief(status) == INVALID
    assert "l0, l1" in status["conditions"][0]["message"]


async def test_routes_are_counted_where_they_are_attached_whether_their_listener_serves_or_not():
    broken = {"protocol": "HTTPS", "port": 443, "tls": {"certificateRefs": [{"kind": "Magic", "name": "x"}]}}
    rules = [route(f"r{i}", rule_to("web", path(f"/{i}"))) for i in range(3)]
    only = route("only", rule_to("gone"), parents=[{"sectionName": "l0"}])
    status = (await statuses(gateway({}, broken), *rules, only, services("web")))["Gateway edge"]
    assert [listener["attachedRoutes"] for listener in status["listeners"]] == [4, 3]


REJECTED = [
    ({"addresses": [{"type": "Hostname", "value": "a.b"}]}, "!UnsupportedAddress"),
    ({"infrastructure": {"parametersRef": {"group": "a.b", "kind": "C", "name": "d"}}}, "!InvalidParameters"),
]


@pytest.mark.parametrize(("more", "expected"), REJECTED)
async def test_a_gateway_that_cannot_be_served_says_why(more: dict[str, Any], expected: str):
    spec = {"gatewayClassName": "ours", "listeners": [{"name": "l0", "port": 80, "protocol": "HTTP"}], **more}
    status = (await statuses(gateway({}), doc("Gateway", "edge", spec)))["Gateway edge"]
    assert (brief(status)["Accepted"], brief(status)["Programmed"]) == (expected, "!Invalid")


async def test_a_listener_set_says_how_it_stands():
    parent = {"parentRef": {"name": "edge"}}
    more = doc("ListenerSet", "more", {**parent, "listeners": [{"name": "m", "port": 81, "protocol": "HTTP"}]})
    assert brief((await statuses(gateway({}), more))["ListenerSet more"]) == {
        "Accepted": "!NotAllowed",
        "Programmed": "!NotAllowed",
    }
    allowed = {"allowedListeners": {"namespaces": {"from": "Same"}}}
    spec = {"gatewayClassName": "ours", "listeners": [{"name": "l0", "port": 80, "protocol": "HTTP"}], **allowed}
    edge = doc("Gateway", "edge", spec)
    listeners = [{"name": "t", "port": 80, "protocol": "HTTP"}, {"name": "m", "port": 81, "protocol": "HTTP"}]
    none = doc("ListenerSet", "none", {**parent, "listeners": listeners[:1]}, creationTimestamp="2026-01-01T00:00:00Z")
    more = f"{none}---\n" + doc("ListenerSet", "more", {**parent, "listeners": listeners})
    at_set = route("web", rule_to("web"), parents=[{"kind": "ListenerSet", "name": "more"}])
    status = await statuses(gateway({}), edge, more, at_set, services("web"))
    assert brief(status["ListenerSet more"]) == {"Accepted": "ListenersNotValid", "Programmed": "?Pending"}
    conflict = {
        "Accepted": "!HostnameConflict",
        "ResolvedRefs": "ResolvedRefs",
        "Conflicted": "HostnameConflict",
        "Programmed": "!HostnameConflict",
    }
    well = {**ACCEPTED, "Programmed": "?Pending"}
    entries = status["ListenerSet more"]["listeners"]
    assert [(entry["name"], brief(entry), entry["attachedRoutes"]) for entry in entries] == [
        ("t", conflict, 1),
        ("m", well, 1),
    ]
    assert status["Gateway edge"]["attachedListenerSets"] == 1
    assert [entry["name"] for entry in status["Gateway edge"]["listeners"]] == ["l0"]


@pytest.mark.parametrize(("more", "expected"), REJECTED)
async def test_a_set_of_a_gateway_that_cannot_be_served_says_so(more: dict[str, Any], expected: str):
    listeners = [{"name": "l0", "port": 80, "protocol": "HTTP"}]
    allowed = {"allowedListeners": {"namespaces": {"from": "Same"}}}
    edge = doc("Gateway", "edge", {"gatewayClassName": "ours", "listeners": listeners, **allowed, **more})
    joins = doc("ListenerSet", "more", {"parentRef": {"name": "edge"}, "listeners": [{**listeners[0], "port": 81}]})
    status = await statuses(gateway({}), edge, joins)
    assert brief(status["ListenerSet more"]) == {"Accepted": "!ParentNotAccepted", "Programmed": "!ParentNotProgrammed"}
    assert (brief(status["Gateway edge"])["Accepted"], status["Gateway edge"]["attachedListenerSets"]) == (expected, 0)


async def test_a_class_says_what_is_supported_in_order():
    status = (await statuses(gateway({})))["GatewayClass ours"]
    names = [entry["name"] for entry in status["supportedFeatures"]]
    assert names == sorted(names)
    assert {"Gateway", "HTTPRoute", "HTTPRouteRequestMirror", "ReferenceGrant"} <= set(names)
    assert len(names) <= 64
    assert brief(status) == {"Accepted": "Accepted"}


async def test_a_status_goes_with_its_object_and_comes_again():
    text = "---\n".join([gateway({}), route("web", rule_to("web")), services("web")])
    plane = await plane_of(text)
    view, ref = plane.engine.view, Ref(f"{GROUP}/HTTPRoute", "default", "web")
    plane.statuses.refresh(view, plane.snapshot, None, NOW)
    obj = plane.snapshot.objects[ref]
    for removed in (True, False):
        plane.store.apply(ref, None if removed else obj)
        await plane.publish()
        plane.statuses.refresh(view, plane.snapshot, None, NOW)
        status = dict(plane.statuses.statuses())
        assert (ref in status) is not removed
        counts = status[Ref(f"{GROUP}/Gateway", "default", "edge")]["listeners"][0]["attachedRoutes"]
        assert counts == (0 if removed else 1)


async def again(plane: Plane, created: str, *texts: str, generation: int = 1) -> dict[str, Plain]:
    """The statuses after a change at some time, by `Kind name`."""
    for obj in objects("---\n".join(texts)):
        plane.store.apply(obj.ref, msgspec.structs.replace(obj, generation=generation))
    await plane.publish()
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, created)
    return {f"{ref.kind.rpartition('/')[2]} {ref.name}": status for ref, status in plane.statuses.statuses()}


async def test_routes_count_where_they_are_accepted():
    none = {"method": "CONNECT"}
    rules = {"none": [rule_to("web", none)], "some": [rule_to("web", none), rule_to("web")], "whole": [rule_to("web")]}
    routes = [route(name, *specs, hostnames=["web.example.com"]) for name, specs in rules.items()]
    spec = {"parentRefs": [{"name": "edge"}], "hostnames": ["calls.example.com"]}
    status = await statuses(gateway({}), services("web"), *routes, doc("GRPCRoute", "no-rules", spec))
    assert brief(status["HTTPRoute none"]["parents"][0])["Accepted"] == "!UnsupportedValue"
    assert brief(status["GRPCRoute no-rules"]["parents"][0]) == ACCEPTED
    assert status["Gateway edge"]["listeners"][0]["attachedRoutes"] == 3, "all but one"


def of_istio(created: str) -> str:
    """A Gateway of Istio that is for the routers of ours, and takes their port 80."""
    server = {"port": {"number": 80, "name": "bytes", "protocol": "TCP"}, "hosts": ["*"]}
    spec = {"selector": {"gateway.networking.k8s.io/gateway-name": "edge"}, "servers": [server]}
    return doc("Gateway", "bytes", spec, "networking.istio.io/v1", creationTimestamp=created)


@pytest.mark.parametrize(("created", "accepted"), [("2020-01-01T00:00:00Z", True), ("2030-01-01T00:00:00Z", False)])
async def test_a_port_that_an_older_gateway_has_is_not_available(created: str, accepted: bool):
    ours = gateway({}, {"port": 81}).replace("name: edge", 'name: edge\n  creationTimestamp: "2025-01-01T00:00:00Z"')
    status = (await statuses(ours, of_istio(created)))["Gateway edge"]
    former, second = map(brief, status["listeners"])
    assert second["Accepted"] == "Accepted"
    assert former["Accepted"] == ("!PortUnavailable" if accepted else "Accepted")
    assert former["Programmed"] == ("!Invalid" if accepted else "?Pending")
    assert brief(status)["Accepted"] == ("ListenersNotValid" if accepted else "Accepted")


async def test_a_class_that_goes_to_another_controller_takes_its_entries_along():
    plane = await plane_of("---\n".join([gateway({}), services("web"), route("web", rule_to("web"))]))
    for obj in adopted_controllers(["flomesh.io/gateway-controller=fsm"], []):
        plane.store.apply(obj.ref, obj)
    await again(plane, NOW)
    status = await again(plane, NOW, gateway({}, controller="flomesh.io/gateway-controller"))
    (entry,) = status["HTTPRoute web"]["parents"]
    assert entry["controllerName"] == "flomesh.io/gateway-controller"
    assert "HTTPRoute web" not in await again(plane, NOW, gateway({}, controller="somebody.else/controller"))


async def test_statuses_come_with_what_they_depend_on_in_any_order():
    ours, edge = gateway({}).split("---\n")
    plane = await plane_of("---\n".join([services("web"), route("web", rule_to("web"))]))
    assert await again(plane, NOW) == {}
    assert await again(plane, NOW, edge) == {}
    assert list(await again(plane, NOW, ours)) == ["Gateway edge", "GatewayClass ours", "HTTPRoute web"]
    for ref in list(plane.snapshot.objects):
        plane.store.apply(ref, None)
    assert await again(plane, NOW) == {}
    plane.engine.collect()
    assert not [call for call in cached_calls(plane.engine) if call[0] is status_of], "nothing is held for what is gone"


async def test_a_listener_set_that_may_not_join_any_more_has_no_listeners_left():
    every = "allowedListeners: {namespaces: {from: All}}"
    both = gateway({}).replace("  gatewayClassName", f"  {every}\n  gatewayClassName")
    more = {"parentRef": {"name": "edge"}, "listeners": [{"name": "x", "port": 81, "protocol": "HTTP"}]}
    plane = await plane_of("---\n".join([both, doc("ListenerSet", "more", more)]))
    assert [listener["name"] for listener in (await again(plane, NOW))["ListenerSet more"]["listeners"]] == ["x"]
    assert (await again(plane, NOW, gateway({})))["ListenerSet more"]["listeners"] == []


async def test_an_object_that_was_made_anew_has_a_status_of_its_own():
    plane = await plane_of("---\n".join([gateway({}), services("web")]))
    await again(plane, "then", route("web", rule_to("web")), generation=7)
    (entry,) = (await again(plane, NOW, route("web", rule_to("gone"))))["HTTPRoute web"]["parents"]
    assert brief(entry) == unresolved("BackendNotFound")
    assert {(c["observedGeneration"], c["lastTransitionTime"]) for c in entry["conditions"]} == {(1, NOW)}
