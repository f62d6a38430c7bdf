"""Conditions of Gateway API's objects, by rule: what is said of listeners, parents and classes."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.commands.adopted_classes import adopted_controllers
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.status.conditions import Plain
from mirrorplane.translators.object_status import status_of
from tests.builders import objects, plane_of
from tests.controlplane.engine.cached_calls import cached_calls
from tests.gateway_manifests import GROUP, TILL, gateway, made, path, route, services, to

NOW = "2026-01-01T00:00:00Z"
MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "gone", "port": 8000}}}
Conditions = Mapping[str, str]


async def statuses(*texts: str) -> dict[str, Plain]:
    """The statuses of all objects, by `Kind name`, as they are without proxies."""
    plane = await plane_of("---\n".join(texts))
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, NOW)
    return {f"{ref.kind.rpartition('/')[2]} {ref.name}": status for ref, status in plane.statuses.statuses()}


def brief(said: Plain) -> dict[str, str]:
    """Conditions as `type: reason`, with `!` before the reason where the status is False and `?` where Unknown."""
    marks = {"True": "", "False": "!", "Unknown": "?"}
    return {c["type"]: marks[c["status"]] + c["reason"] for c in said["conditions"]}


ACCEPTED = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}


def refused(reason: str) -> Conditions:
    return {**ACCEPTED, "Accepted": f"!{reason}"}


def unresolved(reason: str) -> Conditions:
    return {**ACCEPTED, "ResolvedRefs": f"!{reason}"}


def sent(**ref: Any) -> dict[str, Any]:
    return {"backendRefs": [{"name": "web", "port": 8000, **ref}]}


ELSEWHERE = {"name": "till", "namespace": "shop"}
PARENTS = [
    ("attached", {}, (to("web"),), {}, ACCEPTED),
    ("no such section", {"sectionName": "x"}, (to("web"),), {}, refused("NoMatchingParent")),
    ("no such port", {"port": 99}, (to("web"),), {}, refused("NoMatchingParent")),
    (
        "no host in common",
        {"sectionName": "l1"},
        (to("web"),),
        {"hostnames": ["a.b"]},
        refused("NoMatchingListenerHostname"),
    ),
    ("not from there", {"namespace": "default"}, (to("web"),), {"namespace": "shop"}, refused("NotAllowedByListeners")),
    ("not this kind", {"sectionName": "l2"}, (to("web"),), {}, refused("NotAllowedByListeners")),
    ("nobody's kind", {}, (sent(kind="Magic"),), {}, unresolved("InvalidKind")),
    ("no backend", {}, (sent(name="gone"),), {}, unresolved("BackendNotFound")),
    ("no such port of it", {}, (sent(port=1),), {}, unresolved("BackendNotFound")),
    ("no grant", {}, (sent(**ELSEWHERE),), {}, unresolved("RefNotPermitted")),
    ("a mirror that is gone", {}, (to("web", filters=[MIRROR]),), {}, unresolved("BackendNotFound")),
]


@pytest.mark.parametrize(("parent", "rules", "more", "found"), [p[1:] for p in PARENTS], ids=[p[0] for p in PARENTS])
async def test_a_route_says_of_each_parent_how_it_stands(
    parent: dict[str, Any], rules: tuple[Any, ...], more: dict[str, Any], found: Conditions
):
    others = {"allowedRoutes": {"kinds": [{"kind": "TLSRoute"}]}}
    edge = gateway({}, {"port": 81, "hostname": "x.y"}, {"port": 82, **others})
    known = (services("web"), services("web", "till", namespace="shop"))
    said = await statuses(edge, route("web", *rules, parents=[parent], **more), *known)
    (entry,) = said["HTTPRoute web"]["parents"]
    assert brief(entry) == found


async def test_a_parent_is_named_as_the_api_server_stores_it():
    parents = [{}, {"sectionName": "l0", "port": 80, "namespace": "default"}]
    said = await statuses(gateway({}, {"port": 81}), route("web", to("web"), parents=parents[1:]), services("web"))
    (entry,) = said["HTTPRoute web"]["parents"]
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


async def test_nothing_is_said_of_what_belongs_to_others():
    said = await statuses(gateway({}, controller="a.b/c"), route("web", to("web")), services("web"))
    assert said == {}
    both = route("web", to("web"), parents=[{}, {"name": "gone"}, {"kind": "Service", "group": "", "name": "gone"}])
    said = await statuses(gateway({}), both, services("web"))
    assert [entry["parentRef"]["name"] for entry in said["HTTPRoute web"]["parents"]] == ["edge"]


async def test_a_grant_that_is_withdrawn_takes_the_reference_back():
    granted = {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "default"}],
        "to": [{"group": "", "kind": "Service"}],
    }
    grant = made("ReferenceGrant", "till", granted, f"{GROUP}/v1beta1", namespace="shop")
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


@pytest.mark.parametrize(("listener", "found", "kinds"), [p[1:] for p in LISTENERS], ids=[p[0] for p in LISTENERS])
async def test_a_gateway_says_of_each_listener_how_it_stands(
    listener: dict[str, Any], found: Conditions, kinds: list[str]
):
    said = (await statuses(gateway({"port": 81}, listener)))["Gateway edge"]
    first, second = said["listeners"]
    assert (first["name"], second["name"]) == ("l0", "l1")
    assert brief(second) == found
    assert set(kinds) <= {kind["kind"] for kind in second["supportedKinds"]}
    assert bool(kinds) == bool(second["supportedKinds"])
    assert brief(said)["Accepted"] == ("ListenersNotValid" if found["Programmed"] == "!Invalid" else "Accepted")


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
    joined = made("ListenerSet", "more", {"parentRef": {"name": "edge"}, "listeners": [listener]})
    found = await statuses(edge, joined)
    assert brief(found["ListenerSet more"]) == INVALID
    assert brief(found["ListenerSet more"]["listeners"][0])["ResolvedRefs"] == "!RefNotPermitted"
    assert brief(found["Gateway edge"])["Accepted"] == "Accepted", "its own listener is served"


async def test_conflicting_listeners_have_no_winner_and_the_gateway_says_so():
    https = {"protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "x"}]}}
    said = (await statuses(gateway({}, https)))["Gateway edge"]
    conflict = {
        "Accepted": "!ProtocolConflict",
        "ResolvedRefs": "ResolvedRefs",
        "Conflicted": "ProtocolConflict",
        "Programmed": "!ProtocolConflict",
    }
    assert [brief(one) for one in said["listeners"]] == [conflict, conflict]
    assert brief(said) == INVALID
    assert "l0, l1" in said["conditions"][0]["message"]


async def test_routes_are_counted_where_they_are_attached_whether_their_listener_serves_or_not():
    broken = {"protocol": "HTTPS", "port": 443, "tls": {"certificateRefs": [{"kind": "Magic", "name": "x"}]}}
    rules = [route(f"r{i}", to("web", path(f"/{i}"))) for i in range(3)]
    only = route("only", to("gone"), parents=[{"sectionName": "l0"}])
    said = (await statuses(gateway({}, broken), *rules, only, services("web")))["Gateway edge"]
    assert [one["attachedRoutes"] for one in said["listeners"]] == [4, 3]


REJECTED = [
    ({"addresses": [{"type": "Hostname", "value": "a.b"}]}, "!UnsupportedAddress"),
    ({"infrastructure": {"parametersRef": {"group": "a.b", "kind": "C", "name": "d"}}}, "!InvalidParameters"),
]


@pytest.mark.parametrize(("more", "found"), REJECTED)
async def test_a_gateway_that_cannot_be_served_says_why(more: dict[str, Any], found: str):
    spec = {"gatewayClassName": "ours", "listeners": [{"name": "l0", "port": 80, "protocol": "HTTP"}], **more}
    said = (await statuses(gateway({}), made("Gateway", "edge", spec)))["Gateway edge"]
    assert (brief(said)["Accepted"], brief(said)["Programmed"]) == (found, "!Invalid")


async def test_a_listener_set_says_how_it_stands():
    parent = {"parentRef": {"name": "edge"}}
    more = made("ListenerSet", "more", {**parent, "listeners": [{"name": "m", "port": 81, "protocol": "HTTP"}]})
    assert brief((await statuses(gateway({}), more))["ListenerSet more"]) == {
        "Accepted": "!NotAllowed",
        "Programmed": "!NotAllowed",
    }
    allowed = {"allowedListeners": {"namespaces": {"from": "Same"}}}
    spec = {"gatewayClassName": "ours", "listeners": [{"name": "l0", "port": 80, "protocol": "HTTP"}], **allowed}
    edge = made("Gateway", "edge", spec)
    taken = [{"name": "t", "port": 80, "protocol": "HTTP"}, {"name": "m", "port": 81, "protocol": "HTTP"}]
    none = made("ListenerSet", "none", {**parent, "listeners": taken[:1]}, creationTimestamp="2026-01-01T00:00:00Z")
    more = f"{none}---\n" + made("ListenerSet", "more", {**parent, "listeners": taken})
    at_set = route("web", to("web"), parents=[{"kind": "ListenerSet", "name": "more"}])
    said = await statuses(gateway({}), edge, more, at_set, services("web"))
    assert brief(said["ListenerSet more"]) == {"Accepted": "ListenersNotValid", "Programmed": "?Pending"}
    lost = {
        "Accepted": "!HostnameConflict",
        "ResolvedRefs": "ResolvedRefs",
        "Conflicted": "HostnameConflict",
        "Programmed": "!HostnameConflict",
    }
    well = {**ACCEPTED, "Programmed": "?Pending"}
    entries = said["ListenerSet more"]["listeners"]
    assert [(one["name"], brief(one), one["attachedRoutes"]) for one in entries] == [("t", lost, 1), ("m", well, 1)]
    assert said["Gateway edge"]["attachedListenerSets"] == 1
    assert [one["name"] for one in said["Gateway edge"]["listeners"]] == ["l0"]


@pytest.mark.parametrize(("more", "found"), REJECTED)
async def test_a_set_of_a_gateway_that_cannot_be_served_says_so(more: dict[str, Any], found: str):
    listeners = [{"name": "l0", "port": 80, "protocol": "HTTP"}]
    allowed = {"allowedListeners": {"namespaces": {"from": "Same"}}}
    edge = made("Gateway", "edge", {"gatewayClassName": "ours", "listeners": listeners, **allowed, **more})
    joins = made("ListenerSet", "more", {"parentRef": {"name": "edge"}, "listeners": [{**listeners[0], "port": 81}]})
    said = await statuses(gateway({}), edge, joins)
    assert brief(said["ListenerSet more"]) == {"Accepted": "!ParentNotAccepted", "Programmed": "!ParentNotProgrammed"}
    assert (brief(said["Gateway edge"])["Accepted"], said["Gateway edge"]["attachedListenerSets"]) == (found, 0)


async def test_a_class_says_what_is_supported_in_order():
    said = (await statuses(gateway({})))["GatewayClass ours"]
    names = [one["name"] for one in said["supportedFeatures"]]
    assert names == sorted(names)
    assert {"Gateway", "HTTPRoute", "HTTPRouteRequestMirror", "ReferenceGrant"} <= set(names)
    assert len(names) <= 64
    assert brief(said) == {"Accepted": "Accepted"}


async def test_a_status_goes_with_its_object_and_comes_again():
    text = "---\n".join([gateway({}), route("web", to("web")), services("web")])
    plane = await plane_of(text)
    view, ref = plane.engine.view, Ref(f"{GROUP}/HTTPRoute", "default", "web")
    plane.statuses.refresh(view, plane.snapshot, None, NOW)
    obj = plane.snapshot.objects[ref]
    for gone in (True, False):
        plane.store.apply(ref, None if gone else obj)
        await plane.publish()
        plane.statuses.refresh(view, plane.snapshot, None, NOW)
        found = dict(plane.statuses.statuses())
        assert (ref in found) is not gone
        counts = found[Ref(f"{GROUP}/Gateway", "default", "edge")]["listeners"][0]["attachedRoutes"]
        assert counts == (0 if gone else 1)


async def again(plane: Plane, at: str, *texts: str, generation: int = 1) -> dict[str, Plain]:
    """The statuses after a change at some time, by `Kind name`."""
    for obj in objects("---\n".join(texts)):
        plane.store.apply(obj.ref, msgspec.structs.replace(obj, generation=generation))
    await plane.publish()
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, at)
    return {f"{ref.kind.rpartition('/')[2]} {ref.name}": status for ref, status in plane.statuses.statuses()}


async def test_routes_count_where_they_are_accepted():
    none = {"method": "CONNECT"}
    rules = {"none": [to("web", none)], "some": [to("web", none), to("web")], "whole": [to("web")]}
    routes = [route(name, *said, hostnames=["web.example.com"]) for name, said in rules.items()]
    spec = {"parentRefs": [{"name": "edge"}], "hostnames": ["calls.example.com"]}
    said = await statuses(gateway({}), services("web"), *routes, made("GRPCRoute", "no-rules", spec))
    assert brief(said["HTTPRoute none"]["parents"][0])["Accepted"] == "!UnsupportedValue"
    assert brief(said["GRPCRoute no-rules"]["parents"][0]) == ACCEPTED
    assert said["Gateway edge"]["listeners"][0]["attachedRoutes"] == 3, "all but one"


def of_istio(at: str) -> str:
    """A Gateway of Istio that is for the routers of ours, and takes their port 80."""
    server = {"port": {"number": 80, "name": "bytes", "protocol": "TCP"}, "hosts": ["*"]}
    spec = {"selector": {"gateway.networking.k8s.io/gateway-name": "edge"}, "servers": [server]}
    return made("Gateway", "bytes", spec, "networking.istio.io/v1", creationTimestamp=at)


@pytest.mark.parametrize(("at", "taken"), [("2020-01-01T00:00:00Z", True), ("2030-01-01T00:00:00Z", False)])
async def test_a_port_that_an_older_gateway_has_is_not_available(at: str, taken: bool):
    ours = gateway({}, {"port": 81}).replace("name: edge", 'name: edge\n  creationTimestamp: "2025-01-01T00:00:00Z"')
    said = (await statuses(ours, of_istio(at)))["Gateway edge"]
    first, second = map(brief, said["listeners"])
    assert second["Accepted"] == "Accepted"
    assert first["Accepted"] == ("!PortUnavailable" if taken else "Accepted")
    assert first["Programmed"] == ("!Invalid" if taken else "?Pending")
    assert brief(said)["Accepted"] == ("ListenersNotValid" if taken else "Accepted")


async def test_a_class_that_goes_to_another_controller_takes_its_entries_along():
    plane = await plane_of("---\n".join([gateway({}), services("web"), route("web", to("web"))]))
    for obj in adopted_controllers(["flomesh.io/gateway-controller=fsm"], []):
        plane.store.apply(obj.ref, obj)
    await again(plane, NOW)
    said = await again(plane, NOW, gateway({}, controller="flomesh.io/gateway-controller"))
    (entry,) = said["HTTPRoute web"]["parents"]
    assert entry["controllerName"] == "flomesh.io/gateway-controller"
    assert "HTTPRoute web" not in await again(plane, NOW, gateway({}, controller="somebody.else/controller"))


async def test_statuses_come_with_what_they_depend_on_in_any_order():
    ours, edge = gateway({}).split("---\n")
    plane = await plane_of("---\n".join([services("web"), route("web", to("web"))]))
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
    plane = await plane_of("---\n".join([both, made("ListenerSet", "more", more)]))
    assert [one["name"] for one in (await again(plane, NOW))["ListenerSet more"]["listeners"]] == ["x"]
    assert (await again(plane, NOW, gateway({})))["ListenerSet more"]["listeners"] == []


async def test_an_object_that_was_made_anew_has_a_status_of_its_own():
    plane = await plane_of("---\n".join([gateway({}), services("web")]))
    await again(plane, "then", route("web", to("web")), generation=7)
    (entry,) = (await again(plane, NOW, route("web", to("gone"))))["HTTPRoute web"]["parents"]
    assert brief(entry) == unresolved("BackendNotFound")
    assert {(c["observedGeneration"], c["lastTransitionTime"]) for c in entry["conditions"]} == {(1, NOW)}
