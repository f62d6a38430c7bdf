"""What proxies reject becomes findings on the resource and on the objects it was made from, until it is mended."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import CLUSTER, LISTENER, ROUTE, ResourceSet
from mirrorplane.controlplane.engine.executor import CooperativeExecutor
from mirrorplane.controlplane.feed import PlaneFeed, PlaneLink
from mirrorplane.controlplane.findings.nacks import MOST_NAMED, MOST_OBJECTS
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.sources.changes import Batch, Change
from tests.builders import SLEEP, objects, plane_of

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {ports: [{name: http, port: %d}]}
"""
BOTH = SERVICE % ("web", 80) + "---" + SERVICE % ("shop", 80)
WEB, SHOP = Ref("Service", "default", "web"), Ref("Service", "default", "shop")


class Desk:
    """A published world and proxies that answer as a test says."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.metrics = Metrics(plane)
        self.feed = PlaneFeed(plane, self.metrics)
        self.held: dict[str, ResourceSet] = {}

    def connect(self, proxy: Proxy = SLEEP) -> PlaneLink:
        return self.feed.attach(proxy, lambda served: self.held.update({proxy.id: served}), "delta")

    async def apply(self, text: str) -> None:
        with self.feed.round(time.monotonic()):
            await self.plane.update(Batch(tuple(Change(obj.ref, obj) for obj in objects(text))))

    def rejected(self) -> dict[Ref, list[str]]:
        findings: dict[Ref, list[str]] = {}
        for finding in self.plane.findings.all():
            if finding.reason == "Rejected":
                findings.setdefault(finding.about, []).append(finding.message)
        return findings

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"mirrorplane_{name}", labels) or 0.0


@pytest.fixture
async def desk() -> Desk:
    return Desk(await plane_of(BOTH))


def accept(link: PlaneLink, *types: str) -> None:
    """Answer everything with an ACK."""
    for type_url in types or (CLUSTER, LISTENER, ROUTE):
        link.acked(type_url, "v", frozenset())
    link.settled()


def resource(name: str) -> Ref:
    return Ref("RouteConfiguration", "", name)


async def test_a_rejected_resource_is_reported_on_it_and_on_every_object_it_was_made_from(desk: Desk):
    link = desk.connect()
    link.rejected(ROUTE, ("80",), "v1", "no such thing: frobnicate")
    rejections = desk.rejected()
    assert rejections.keys() == {resource("80"), WEB, SHOP}
    for messages in rejections.values():
        assert len(messages) == 1
        assert f"rejected by {SLEEP.id}; the last good version, if any, stays in use" in messages[0]
        assert messages[0].endswith("no such thing: frobnicate")
    assert "RouteConfiguration 80" in rejections[WEB][0]
    assert "; built from 2 objects: " in rejections[resource("80")][0]


async def test_only_objects_that_changed_since_the_proxy_last_accepted_the_type_are_suspect(desk: Desk):
    link = desk.connect()
    accept(link)
    await desk.apply(SERVICE % ("third", 80))
    link.rejected(ROUTE, ("80",), "v2", "no")
    assert desk.rejected().keys() == {resource("80"), Ref("Service", "default", "third")}
    assert "built from 3 objects, 1 of which may be the cause" in desk.rejected()[resource("80")][0]


async def test_a_type_that_is_still_rejected_is_not_taken_for_accepted(desk: Desk):
    link = desk.connect()
    accept(link)
    await desk.apply(SERVICE % ("third", 80))
    link.rejected(ROUTE, ("80",), "v2", "no")
    accept(link, CLUSTER)
    await desk.apply(SERVICE % ("fourth", 80))
    link.rejected(ROUTE, ("80",), "v3", "no")
    third, fourth = (Ref("Service", "default", name) for name in ("third", "fourth"))
    assert desk.rejected().keys() == {resource("80"), third, fourth}


async def test_changes_that_did_not_concern_a_proxy_are_not_suspect_later(desk: Desk):
    link = desk.connect()
    accept(link)
    web = SERVICE % ("web", 80)
    labelled = web.replace("{name: web}", "{name: web, annotations: {who: me}}")
    await desk.apply(labelled)
    assert len(desk.plane.snapshot.objects) == 2
    await desk.apply(SERVICE % ("third", 80))
    link.rejected(ROUTE, ("80",), "v2", "no")
    assert WEB not in desk.rejected()


async def test_the_finding_is_resolved_when_the_proxy_accepts_the_resource(desk: Desk):
    link = desk.connect()
    link.rejected(ROUTE, ("80", "http_proxy"), "v1", "no")
    link.acked(ROUTE, "v2", frozenset(["80"]))
    assert desk.rejected().keys() == {resource("80"), WEB, SHOP}
    link.acked(CLUSTER, "v2", frozenset())
    assert desk.rejected().keys() == {resource("80"), WEB, SHOP}
    link.acked(ROUTE, "v3", frozenset())
    assert not desk.rejected()


async def test_the_origins_of_a_rejection_that_was_retracted_meanwhile_are_not_reported(desk: Desk):
    desk.plane.executor = CooperativeExecutor(0.0)  # every step of long work waits for its turn
    desk.plane.executor.schedule(desk.plane.executor.checkpoint)
    desk.plane.engine.checkpoint = desk.plane.executor.checkpoint
    link = desk.connect()
    link.rejected(ROUTE, ("80",), "v1", "no")
    assert desk.rejected().keys() == {resource("80")}, "the rejection itself is told at once"
    link.acked(ROUTE, "v2", frozenset())
    await desk.plane.executor.run(lambda: None)
    assert not desk.rejected()

    link.rejected(ROUTE, ("80",), "v3", "no")
    await desk.plane.executor.run(lambda: None)
    assert desk.rejected().keys() == {resource("80"), WEB, SHOP}


async def test_the_finding_is_resolved_with_the_last_stream_of_the_proxy(desk: Desk):
    old, new = desk.connect(), desk.connect()
    old.rejected(ROUTE, ("80",), "v1", "no")
    old.leave()
    assert desk.rejected()
    new.leave()
    assert not desk.rejected()
    assert desk.metric("proxies", variant="delta") == 0
    assert desk.metric("xds_pending") == 0


async def test_a_thousand_proxies_that_reject_the_same_say_it_once(desk: Desk):
    for number in range(1000):
        desk.connect(Proxy("sidecar", f"p{number:03}", "default")).rejected(ROUTE, ("80",), "v1", "no such thing")
    rejections = desk.rejected()
    assert Counter(map(len, rejections.values())) == {1: 3}
    for messages in rejections.values():
        assert "rejected by 1000 proxies, for example sidecar~127.0.0.1~p000.default~" in messages[0]
        assert messages[0].endswith(": no such thing")


async def test_proxies_that_reject_for_different_reasons_have_findings_of_their_own(desk: Desk):
    for name in ("a", "b"):
        desk.connect(Proxy("sidecar", name, "default")).rejected(ROUTE, ("80",), "v1", f"because of {name}")
    assert sorted(message.rpartition(": ")[2] for message in desk.rejected()[WEB]) == ["because of a", "because of b"]


async def test_a_resource_of_many_objects_does_not_flood_the_findings():
    count = 3 * MOST_OBJECTS
    desk = Desk(await plane_of("---".join(SERVICE % (f"s{number:03}", 80) for number in range(count))))
    link = desk.connect()
    link.rejected(ROUTE, ("80",), "v1", "no")
    rejections = desk.rejected()
    assert len(rejections) == MOST_OBJECTS + 1
    assert f"built from {count} objects, {MOST_OBJECTS} of which may be the cause" in rejections[resource("80")][0]
    assert min(ref for ref in rejections if ref.kind == "Service").name == "s000"


async def test_a_proxy_that_rejects_many_resources_at_once_blames_no_object(desk: Desk):
    link = desk.connect()
    names = tuple(f"c{number:02}" for number in range(MOST_NAMED + 1))
    link.rejected(CLUSTER, names, "v1", "one is bad")
    [(about, [message])] = desk.rejected().items()
    assert about == Ref("Cluster", "", "")
    assert f"one or more of {MOST_NAMED + 1} resources (c00, c01, c02, ...) rejected by" in message
    link.acked(CLUSTER, "v2", frozenset(["c07"]))
    assert desk.rejected().keys() == {Ref("Cluster", "", "c07")}


async def test_a_rejection_without_names_is_reported_on_the_type_until_the_type_is_accepted(desk: Desk):
    link = desk.connect()
    link.rejected(LISTENER, (), "", "cannot bind")
    assert desk.rejected().keys() == {Ref("Listener", "", "")}
    link.acked(LISTENER, "v1", frozenset())
    assert not desk.rejected()


async def test_types_that_a_proxy_makes_up_become_no_labels(desk: Desk):
    link = desk.connect()
    for number in range(50):
        link.rejected(f"type.googleapis.com/evil.{number}", (), "", "no")
        link.acked(f"type.googleapis.com/evil.{number}", "", frozenset())
    labels = {sample.labels["type"] for sample in samples(desk) if "type" in sample.labels}
    assert labels == {"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration", "Secret", "other"}
    assert desk.metric("xds_rejects_total", type="other") == 50


async def test_a_change_has_converged_when_every_proxy_it_concerns_has_answered(desk: Desk):
    older, newer = desk.connect(), desk.connect(Proxy("sidecar", "b", "default"))
    accept(older)
    accept(newer)
    await desk.apply(SERVICE % ("third", 80))
    assert desk.metric("xds_pending") == 2
    accept(older)
    assert desk.metric("convergence_seconds_count") == 0
    newer.rejected(ROUTE, ("80",), "v1", "no")
    newer.settled()
    assert desk.metric("convergence_seconds_count") == 1
    assert desk.metric("xds_pending") == 0


async def test_a_proxy_that_leaves_holds_up_no_convergence(desk: Desk):
    link = desk.connect()
    await desk.apply(SERVICE % ("third", 80))
    link.leave()
    assert desk.metric("convergence_seconds_count") == 1


async def test_findings_stay_the_same_object_until_something_changes(desk: Desk):
    link = desk.connect()
    link.rejected(ROUTE, ("80",), "v1", "no")
    before = desk.plane.findings.all()
    link.acked(CLUSTER, "v1", frozenset())
    await desk.apply("")
    assert desk.plane.findings.all() is before
    link.acked(ROUTE, "v1", frozenset())
    assert desk.plane.findings.all() == ()


async def test_a_finding_of_a_proxy_stands_where_its_object_is_written():
    lines = {WEB: 7}
    plane = await plane_of(BOTH)
    plane.findings._locate = lambda ref, _: ("mesh.yaml", lines[ref]) if ref in lines else None
    desk = Desk(plane)
    desk.connect().rejected(ROUTE, ("80",), "v1", "no")
    assert place(plane.findings.all(), WEB) == ("mesh.yaml", 7)
    lines[WEB] = 9
    plane.findings.invalidate()
    assert place(plane.findings.all(), WEB) == ("mesh.yaml", 9)
    assert place(plane.findings.all(), resource("80")) == ("", 0)


def place(findings: tuple[Finding, ...], ref: Ref) -> tuple[str, int]:
    return next((f.file, f.line) for f in findings if f.about == ref)


def samples(desk: Desk) -> Iterator:
    for family in desk.metrics.registry.collect():
        yield from family.samples
