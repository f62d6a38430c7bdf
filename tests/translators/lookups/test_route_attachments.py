"""An object that attaches mirrors to the routes of others, for Istio's and Gateway API's routes alike."""

from math import inf

import msgspec
import pytest

from mirrorplane.api.actions import Destination
from mirrorplane.api.attachments import EVERY, AddMirrors, RouteAttachment
from mirrorplane.api.kinds.gateway_api.http_route import HTTP_ROUTE
from mirrorplane.api.kinds.istio.virtual_service import VIRTUAL_SERVICE
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Kind, Object, Ref, Wire
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.catalogue import Catalogue, catalogue
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators.contract import Input
from mirrorplane.translators.lookups.route_attachments import INDEX
from tests.builders import SLEEP, PlainView, objects
from tests.controlplane.engine.test_incremental import from_scratch
from tests.gateway_manifests import EDGE, doc, gateway, path, route, rule_to, services
from tests.traffic_language import ask, brief


class Tee(Wire, frozen=True):
    """A made-up kind: mirrors what some routes of an object forward."""

    target: Ref
    section: str = ""
    copy_to: str = "copy"


TEE = Kind("test.example.com", ("v1",), "Tee", Tee)


def lower(_: View, obj: Object[Tee]) -> Lowered:
    mirror = Mirror(Destination(f"{obj.spec.copy_to}.default.svc.cluster.local", port=8000, path="spec"), obj.ref)
    attachment = RouteAttachment(obj.spec.target, obj.spec.section, AddMirrors((mirror,)))
    return Lowered(attachments=(attachment,))


INPUT = Input(kinds=(TEE,), lower=lower, indexes={INDEX: lambda obj: (str(obj.spec.target), EVERY)})
INPUTS = (*catalogue().inputs, INPUT)
VIRTUAL = Ref(VIRTUAL_SERVICE.key, "default", "web")
HTTP = Ref(HTTP_ROUTE.key, "default", "web")
WORLD = "---\n".join(
    [
        services("web", "copy"),
        gateway({}),
        route("web", {**rule_to("web", path("/a")), "name": "a"}, rule_to("web", path("/b"))),
        doc(
            "VirtualService",
            "web",
            {
                "hosts": ["web"],
                "http": [
                    {"name": "a", "match": [{"uri": {"prefix": "/a"}}], "route": [{"destination": {"host": "web"}}]},
                    {"route": [{"destination": {"host": "web"}}]},
                ],
            },
            "networking.istio.io/v1",
        ),
    ]
)


async def plane() -> Plane:
    made_plane = Plane(Catalogue(INPUTS, catalogue().outputs), slice_s=inf)
    for obj in objects(WORLD):
        made_plane.store.apply(obj.ref, obj)
    await made_plane.publish()
    return made_plane


async def put(plane: Plane, name: str, spec: Tee | None) -> None:
    ref = Ref(TEE.key, "default", name)
    plane.store.apply(ref, None if spec is None else Object(ref, spec))
    await plane.publish()
    for proxy in (SLEEP, EDGE):
        fresh = from_scratch(PlainView(plane.snapshot, INPUTS), proxy)
        assert {t: dict(r) for t, r in plane.render(proxy).resources.items() if r} == fresh, "the incremental oracle"


def answers(plane: Plane, proxy: Proxy) -> list[str]:
    port = ":8000" if proxy is SLEEP else ""
    return [brief(ask(plane.render(proxy), f"GET http://web{port}/{where}")) for where in ("a", "b")]


@pytest.mark.parametrize(("target", "proxy"), [(VIRTUAL, SLEEP), (HTTP, EDGE)], ids=["VirtualService", "HTTPRoute"])
async def test_mirrors_are_added_to_routes_of_another_object_and_go_with_theirs(target: Ref, proxy: Proxy):
    world = await plane()
    second = EDGE if proxy is SLEEP else SLEEP
    assert answers(world, proxy) == ["web", "web"]
    await put(world, "all", Tee(target))
    assert answers(world, proxy) == ["web; copy 100 %", "web; copy 100 %"]
    assert answers(world, second) == ["web", "web"], "of another object"
    await put(world, "one", Tee(target, "a"))
    assert answers(world, proxy) == ["web; copy 100 %; copy 100 %", "web; copy 100 %"]
    await put(world, "all", None)
    assert answers(world, proxy) == ["web; copy 100 %", "web"]
    await put(world, "one", None)
    assert answers(world, proxy) == ["web", "web"]


async def test_an_attachment_to_nothing_changes_nothing():
    world = await plane()
    before = world.render(SLEEP)
    await put(world, "all", Tee(msgspec.structs.replace(VIRTUAL, name="gone")))
    assert world.render(SLEEP).resources == before.resources


@pytest.mark.parametrize(("target", "proxy"), [(VIRTUAL, SLEEP), (HTTP, EDGE)], ids=["VirtualService", "HTTPRoute"])
@pytest.mark.parametrize("section", ["", "a", "none"])
async def test_an_attached_mirror_to_a_missing_host_is_reported_at_the_object_that_attaches_it(
    target: Ref, proxy: Proxy, section: str
):
    world = await plane()
    await put(world, "all", Tee(target, section, copy_to="gone"))
    assert answers(world, proxy) == ["web", "web"]
    (finding,) = (f for f in world.findings.all() if f.reason.startswith("Mirror"))
    assert (finding.about, finding.reason, finding.path) == (
        Ref(TEE.key, "default", "all"),
        "MirrorHostNotFound",
        "spec.host",
    )
    assert "no service gone.default.svc.cluster.local is visible from namespace default" in finding.message
    await put(world, "all", Tee(target, section))
    assert [f for f in world.findings.all() if f.reason.startswith("Mirror")] == []
