"""Many routes on one Gateway: what one more costs, and that asking for them in parts changes nothing."""

from math import inf
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.kinds.gateway_api.http_route import HTTP_ROUTE
from mirrorplane.api.kinds.kube import NAMESPACE
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.resource import ROUTE, ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators import partitions
from mirrorplane.translators.gateway_api.attachment.listener_status import attached_routes
from mirrorplane.translators.routers.servers import joined_key
from mirrorplane.translators.status import status_of
from tests import fast_yaml as yaml
from tests.bench.gateway_worlds import KINDS, MIRRORED, route, router, world
from tests.builders import decoded, objects, plane_of, rendered
from tests.gateway_manifests import EDGE, doc, fields, gateway, path, rule_to, services
from tests.gateway_manifests import route as written
from tests.test_golden import CASES, outcome

EDGE_GATEWAY = Ref(GATEWAY.key, "default", "edge")
MOST_RUNS = 20
GOLDEN = [case for case in CASES if case.parent.name == "gateway_api"]


async def served(kind: str, count: int) -> tuple[Plane, list[ResourceSet]]:
    plane, sets = Plane(catalogue(), slice_s=inf), list[ResourceSet]()
    for obj in world(kind, count):
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    plane.publisher.attach(router(), sets.append)
    await plane.publish()
    plane.engine.hold([(status_of, EDGE_GATEWAY)])
    plane.engine.view.memo(status_of, EDGE_GATEWAY)
    assert plane.engine.view.memo(attached_routes, EDGE_GATEWAY) == {"http": count}
    return plane, sets


async def runs(plane: Plane, obj: AnyObject) -> int:
    """How many functions run for a change, with the status of the Gateway, which counts its routes."""
    before = plane.engine.runs
    plane.store.apply(obj.ref, obj)
    await plane.publish()
    plane.engine.view.memo(status_of, EDGE_GATEWAY)
    return plane.engine.runs - before


@pytest.mark.parametrize("kind", KINDS)
async def test_one_route_more_runs_as_many_functions_whatever_their_number(kind: str):
    results = []
    for count in (200, 500):
        plane, sets = await served(kind, count)
        results.append((await runs(plane, route(kind, count)), await runs(plane, route(kind, count // 2, backend=3))))
        assert len(sets) == 3
        assert plane.engine.view.memo(attached_routes, EDGE_GATEWAY) == {"http": count + 1}
        assert max(len(entry.reads) for entry in plane.engine._entries.values()) < 2 * partitions.COUNT, (
            "none reads all"
        )
    assert results[0] == results[1]
    assert 0 < max(results[0]) <= MOST_RUNS


@pytest.mark.parametrize("kind", KINDS)
async def test_all_routes_are_served_the_longest_path_first(kind: str):
    plane, [latest] = await served(kind, 300)
    hosts = decoded(latest, ROUTE)["http.80"]["virtual_hosts"]
    by_host = {host["domains"][0]: _prefixes(host) for host in hosts}
    if kind == "hosts":
        assert by_host == {"*": [], **{f"r{i}.example.com": ["/"] for i in range(300)}}
    else:
        expected = sorted((f"/anything/r{i}" for i in range(300)), key=lambda path: (-len(path), path))
        assert by_host == {"*": [], "www.example.com": expected}
    clusters = {r["route"]["cluster"] for host in hosts for r in host.get("routes", ())}
    assert len(clusters) == 20
    assert plane.findings.all() == ()


def _prefixes(host: dict[str, Any]) -> list[str]:
    matches = [r["match"] for r in host.get("routes", ())]
    return [match.get("path_separated_prefix") or match["prefix"] for match in matches]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.name)
async def test_in_parts_the_golden_cases_are_the_same(case: Path, monkeypatch: pytest.MonkeyPatch):
    entire = _ordered(await outcome(case))
    monkeypatch.setattr(partitions, "SHORT", 0)
    assert _ordered(await outcome(case)) == entire


def _ordered(outcome: dict[str, str]) -> dict[str, Any]:
    """What a case comes to, virtual hosts in an order of their own."""
    by_name = {name: yaml.safe_load(text) if name.endswith(".yaml") else text for name, text in outcome.items()}
    for spec in by_name.get("routes.yaml", ()):
        spec["virtual_hosts"].sort(key=lambda host: host["domains"])
    return by_name


async def test_in_parts_routes_of_one_host_keep_their_order(monkeypatch: pytest.MonkeyPatch):
    rules = [
        rule_to("till", path("/a"), path("/a", "Exact"), path("/abc")),
        rule_to(
            "till", path("/a", method="GET"), path("/a", headers=fields("x")), path("/a", headers=fields("x", "y"))
        ),
        rule_to("till", path("/a", queryParams=fields("q"))),
    ]
    many = [
        written(f"r{i}", *rules, created=f"2026-01-0{9 - i}T00:00:00Z", hostnames=["a.com", "*.com"]) for i in range(9)
    ]
    text = "---\n".join([gateway({}, {"hostname": "*.com", "name": "com"}), services("till"), *many])
    entire = await _hosts(text)
    monkeypatch.setattr(partitions, "SHORT", 0)
    assert await _hosts(text) == entire
    [a_com] = [host for host in entire["http.80"] if host["domains"] == ["a.com"]]
    assert len(a_com["routes"]) == 9 * 7
    owners = [r["metadata"]["filter_metadata"]["istio"]["config"].rpartition("/")[2] for r in a_com["routes"]]
    assert owners[:9] == [f"r{i}" for i in reversed(range(9))], "the oldest first among equals"


async def _hosts(text: str) -> dict[str, list[Any]]:
    """The virtual hosts of each configuration, in an order of their own."""
    resources = decoded(await rendered(text, EDGE), ROUTE)
    return {name: sorted(spec["virtual_hosts"], key=lambda host: host["domains"]) for name, spec in resources.items()}


async def test_a_grpc_route_is_nothing_to_routes_of_other_hosts():
    spec = {"hostnames": ["calls.example.com"], "parentRefs": [{"name": "edge"}]}
    [call] = objects(doc("GRPCRoute", "calls", {**spec, "rules": [{"backendRefs": [{"name": "svc-1", "port": 80}]}]}))
    results = []
    for count in (200, 500):
        plane, _ = await served("hosts", count)
        results.append(await runs(plane, call))
    assert results[0] == results[1] <= MOST_RUNS


async def test_a_label_of_the_gateway_is_nothing_to_routes_without_mirrors():
    plane, _ = await served("hosts", 200)
    before = plane.snapshot.objects[EDGE_GATEWAY]
    assert await runs(plane, msgspec.structs.replace(before, labels={"a": "b"})) <= MOST_RUNS + 200 // MIRRORED


async def test_hundreds_of_routes_of_both_kinds_for_one_host_ask_for_no_tower_of_answers():
    spec = {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "till", "port": 8000}]}]}
    kinds = ["GRPCRoute", "HTTPRoute"] * 150
    times = [f"2026-01-01T00:{i // 60:02}:{i % 60:02}Z" for i in range(len(kinds))]
    many = [doc(kind, f"r{999 - i}", spec, creationTimestamp=times[i]) for i, kind in enumerate(kinds)]
    plane = await plane_of("---\n".join([gateway({}), services("till"), *many]))
    assert not plane.engine.failures
    assert {f.about.kind.rpartition("/")[2] for f in plane.findings.all()} == {"HTTPRoute"}, "the oldest is a GRPCRoute"
    assert len(plane.findings.all()) == 150


async def test_a_listener_set_of_another_port_reads_no_route_again():
    plane, _ = await served("hosts", 20)
    more = {"name": "x", "port": 81, "protocol": "HTTP"}
    text = doc("ListenerSet", "more", {"parentRef": {"name": "edge"}, "listeners": [more]})
    before = plane.snapshot.objects[EDGE_GATEWAY]
    asking = gw.AllowedListeners(gw.ListenerNamespaces("All"))
    await runs(
        plane, msgspec.structs.replace(before, spec=msgspec.structs.replace(before.spec, allowed_listeners=asking))
    )
    entries = dict(plane.engine._entries)
    await runs(plane, objects(text)[0])
    assert plane.snapshot.index["gateway.joined", joined_key(EDGE_GATEWAY)]
    routes = {plane.engine.lowered(ref) for ref in plane.snapshot.objects if ref.kind == HTTP_ROUTE.key}
    assert len(routes) == 20
    assert all(plane.engine._entries[call] is entries[call] for call in routes)


async def test_a_label_of_a_namespace_that_no_selector_asks_for_is_nothing_to_its_routes():
    plane, _ = await served("hosts", 50)
    before, ours = plane.snapshot.objects[EDGE_GATEWAY], Ref(NAMESPACE.key, "", "default")
    request_url = gw.RouteNamespaces("Selector", gw.LabelSelector({"may": "join"}))
    [listener] = before.spec.listeners
    listener = msgspec.structs.replace(listener, allowed_routes=gw.AllowedRoutes(request_url))
    spec = msgspec.structs.replace(before.spec, listeners=(listener,))
    joining = msgspec.structs.replace(plane.snapshot.objects[ours], labels={"may": "join"})
    await runs(plane, joining)
    await runs(plane, msgspec.structs.replace(before, spec=spec))
    assert plane.engine.view.memo(attached_routes, EDGE_GATEWAY) == {"http": 50}
    assert await runs(plane, msgspec.structs.replace(joining, labels={"may": "join", "other": "a"})) <= MOST_RUNS
    assert await runs(plane, msgspec.structs.replace(joining, labels={"other": "a"})) > 50
    assert plane.engine.view.memo(attached_routes, EDGE_GATEWAY) == {}
