"""What routes of Services cost when one of many changes, and what their status says."""

from math import inf
from typing import Any

import msgspec
import pytest

from mirrorplane.api.kinds.gateway_api import http_route as hr
from mirrorplane.api.meta import AnyObject, Object, Ref
from mirrorplane.api.proxy import REDIRECT, Proxy
from mirrorplane.api.resource import LISTENER, ROUTE, ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from tests.bench.worlds import bare_services
from tests.builders import SLEEP, plane_of
from tests.gateway_conditions import ACCEPTED, brief, refused, statuses, unresolved
from tests.gateway_manifests import doc, route, rule_to
from tests.traffic_language import ask
from tests.traffic_language import brief as outcome
from tests.translators.gateway_api.attachment.test_service_parents import SERVICE, mesh, of_web

COUNT, ONE = 500, 321
INSIDE = msgspec.structs.replace(SLEEP, ip="10.0.0.9", interception=REDIRECT)


def route_of(number: int, path: str = "/") -> AnyObject:
    """A route that mirrors what is sent to a Service to the next one."""
    mirror = {"backendRef": {"name": f"svc-{(number + 1) % COUNT}", "port": 8000}}
    rule = {
        "matches": [{"path": {"value": path}}],
        "filters": [{"type": "RequestMirror", "requestMirror": mirror}],
        "backendRefs": [{"name": f"svc-{number}", "port": 8000}],
    }
    parent = {**SERVICE, "name": f"svc-{number}"}
    spec = msgspec.convert({"parentRefs": [parent], "rules": [rule]}, hr.HTTPRoute)
    return Object(Ref(hr.HTTP_ROUTE.key, "default", f"r-{number}"), spec)


async def many(proxy: Proxy) -> tuple[Plane, list[ResourceSet]]:
    """Services with addresses, a route for each, and a proxy that sees them all."""
    plane, sets = Plane(catalogue(), slice_s=inf), list[ResourceSet]()
    for i, obj in enumerate(bare_services(COUNT)):
        addressed = obj.ref.kind.endswith("Service")
        spec = msgspec.structs.replace(obj.spec, cluster_ip=f"10.96.{i >> 8}.{i & 255}") if addressed else obj.spec
        plane.store.apply(obj.ref, msgspec.structs.replace(obj, spec=spec))
    for i in range(COUNT):
        plane.store.apply(route_of(i).ref, route_of(i))
    plane.publisher.attach(proxy, sets.append)
    await plane.publish()
    return plane, sets


async def runs(plane: Plane, ref: Ref, obj: AnyObject | None) -> int:
    before = plane.engine.runs
    plane.store.apply(ref, obj)
    await plane.publish()
    return plane.engine.runs - before


@pytest.mark.parametrize("proxy", [SLEEP, INSIDE], ids=["without", "with interception"])
async def test_a_change_of_one_route_of_many_is_looked_at_where_its_service_is(proxy: Proxy):
    plane, sets = await many(proxy)
    changed, old = route_of(ONE, "/new"), route_of(ONE)
    name = f"svc-{ONE}"
    url, address = f"GET http://{name}:8000/old", f"10.96.{ONE * 3 >> 8}.{ONE * 3 & 255}"
    dialled = "" if proxy is SLEEP else address
    assert outcome(ask(sets[-1], url, address=dialled)) == f"{name}; svc-{ONE + 1} 100 %"
    assert await runs(plane, changed.ref, changed) < 30
    assert outcome(ask(sets[-1], url, address=dialled)) == "404"
    assert sets[-1].changed.keys() == {ROUTE}
    assert await runs(plane, old.ref, None) < 80
    assert outcome(ask(sets[-1], url, address=dialled)) == name
    if proxy is INSIDE:
        assert sets[-1].changed[LISTENER] == {f"{address}_8000"}


STATUS = [
    ("attached", {}, rule_to("web"), ACCEPTED),
    ("no such port", {"port": 81}, rule_to("web"), refused("NoMatchingParent")),
    ("no such port name", {"sectionName": "x"}, rule_to("web"), refused("NoMatchingParent")),
    ("a port for bytes", {"sectionName": "tcp"}, rule_to("web"), refused("NoMatchingParent")),
    ("nobody's backend", {}, rule_to("gone"), unresolved("BackendNotFound")),
]


@pytest.mark.parametrize(("parent", "rule", "spec"), [s[1:] for s in STATUS], ids=[s[0] for s in STATUS])
async def test_the_status_of_a_route_says_whether_it_is_attached_to_a_service(
    parent: dict[str, Any], rule: dict[str, Any], spec: dict[str, str]
):
    (entry,) = (await statuses(mesh(of_web("r", rule, parent=parent))))["HTTPRoute r"]["parents"]
    assert brief(entry) == spec
    assert entry["controllerName"] == "mirrorplane.io/gateway-controller"
    assert entry["parentRef"] == {**SERVICE, **parent}


async def test_missing_services_get_no_status_entry():
    assert "HTTPRoute r" not in await statuses(mesh(of_web("r", rule_to("web"), parent={"name": "gone"})))
    group = route("r", rule_to("web"), parents=[{"kind": "Service", "name": "web"}])
    assert "HTTPRoute r" not in await statuses(mesh(group))
    alias = doc("Service", "alias", {"type": "ExternalName"}, "v1")
    (entry,) = (await statuses(mesh(alias, of_web("r", rule_to("web"), parent={"name": "alias"}))))["HTTPRoute r"][
        "parents"
    ]
    assert brief(entry) == refused("NoMatchingParent")


async def test_routes_for_bytes_have_no_services_as_parents():
    spec = {"parentRefs": [SERVICE], "rules": [{"backendRefs": [{"name": "next", "port": 9000}]}]}
    text = mesh(doc("TCPRoute", "t", spec))
    assert "TCPRoute t" not in await statuses(text)
    (finding,) = (await plane_of(text)).findings.all()
    assert (finding.reason, finding.path) == ("ParentNotServed", "spec.parentRefs[0].kind")


RIVALS = [
    ("the same port", {"port": 8000}, {"port": 8000}, refused("Conflicted"), ["Conflicted"]),
    ("all ports", {}, {}, refused("Conflicted"), ["Conflicted"]),
    ("one of its ports", {}, {"port": 8000}, ACCEPTED, ["PortConflicted"]),
    ("another port", {"port": 8080}, {"port": 8000}, ACCEPTED, []),
]


@pytest.mark.parametrize(("asks", "calls", "accepted", "reasons"), [r[1:] for r in RIVALS], ids=[r[0] for r in RIVALS])
async def test_grpc_routes_go_before_http_routes_of_a_port(
    asks: dict[str, Any], calls: dict[str, Any], accepted: dict[str, str], reasons: list[str]
):
    spec = {"parentRefs": [{**SERVICE, **calls}], "rules": [{"backendRefs": [{"name": "next", "port": 8000}]}]}
    text = mesh(of_web("r", rule_to("old"), parent=asks), doc("GRPCRoute", "g", spec))
    status = await statuses(text)
    assert brief(status["HTTPRoute r"]["parents"][0]) == accepted
    assert brief(status["GRPCRoute g"]["parents"][0]) == ACCEPTED
    plane = await plane_of(text)
    assert [f.reason for f in plane.findings.all()] == reasons
    assert outcome(ask(plane.render(SLEEP), "POST http://web:8000/x.Y/Z")) == "next"
