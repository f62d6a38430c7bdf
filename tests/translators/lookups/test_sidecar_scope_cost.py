"""What a Sidecar costs: a client that imports five hosts of three hundred is not bothered by the others."""

from math import inf

import msgspec
import pytest

from mirrorplane.api.kinds.istio import sidecar as sc
from mirrorplane.api.meta import AnyObject, Object, Ref
from mirrorplane.api.resource import CLUSTER, ENDPOINT, ROUTE, ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from tests.bench.worlds import annotated, mirrored_services, moved_pod, virtual_service
from tests.builders import SLEEP, decoded

COUNT, IMPORTED = 300, 5
ELSEWHERE = 277


def sidecar(*hosts: str) -> list[AnyObject]:
    spec = sc.Sidecar(egress=(sc.EgressListener(hosts=hosts),))
    return [Object(Ref(sc.SIDECAR.key, "default", "own"), spec)]


EXACT = sidecar(*(f"./svc-{i}.default.svc.cluster.local" for i in range(IMPORTED)))


async def served(*objs: AnyObject, connected: bool = True) -> tuple[Plane, list[ResourceSet]]:
    plane, sets = Plane(catalogue(), slice_s=inf), list[ResourceSet]()
    for obj in (*mirrored_services(COUNT), *objs):
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    if connected:
        plane.publisher.attach(SLEEP, sets.append)
        await plane.publish()
    return plane, sets


async def runs(plane: Plane, obj: AnyObject) -> int:
    before = plane.engine.runs
    plane.store.apply(obj.ref, obj)
    await plane.publish()
    return plane.engine.runs - before


async def test_a_proxy_is_only_sent_what_it_imports_and_what_rules_send_to():
    plane, sets = await served(*EXACT)
    [latest] = sets
    hosts = {name.rpartition("|")[2] for name in latest.of_type(CLUSTER) if "|" in name}
    assert hosts == {f"svc-{i}.default.svc.cluster.local" for i in range(IMPORTED)}
    assert len(latest.of_type(ENDPOINT)) == IMPORTED * 3, "the service and two subsets"
    assert len(decoded(latest, ROUTE)["8000"]["virtual_hosts"]) == IMPORTED + 1
    assert plane.engine.size < COUNT * 20


@pytest.mark.parametrize("kind", ["service", "rule", "pod"])
async def test_a_change_elsewhere_runs_nothing_for_a_proxy_that_does_not_import_it(kind: str):
    outsiders = {obj.ref.kind.rpartition("/")[2]: obj for obj in mirrored_services(COUNT)[ELSEWHERE * 5 :][:5]}
    service = outsiders["Service"]
    port = msgspec.structs.replace(service.spec.ports[0], target_port=9999)
    change = {
        "service": msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, ports=(port,))),
        "rule": virtual_service(ELSEWHERE, 12.0),
        "pod": moved_pod(ELSEWHERE, 1),
    }[kind]
    alone, _ = await served(*EXACT, connected=False)
    plane, sets = await served(*EXACT)
    assert await runs(plane, change) == await runs(alone, change)
    assert len(sets) == 1


async def test_a_change_of_what_is_imported_costs_what_it_touches():
    plane, sets = await served(*EXACT)
    assert 0 < await runs(plane, virtual_service(1, 12.0)) < 40
    assert len(sets) == 2


async def test_a_wildcard_is_searched_for_in_parts():
    plane, sets = await served(*sidecar("./*"))
    assert len({name.rpartition("|")[2] for name in sets[0].of_type(CLUSTER) if "|" in name}) == COUNT
    assert await runs(plane, virtual_service(ELSEWHERE, 12.0)) < 60
    assert len(sets) == 2


async def test_proxies_for_which_the_same_sidecar_holds_share_everything():
    plane, _ = await served(*EXACT)
    ran = plane.engine.runs
    unrelated = msgspec.structs.replace(SLEEP, name="other", labels={"app": "other"})
    plane.publisher.attach(unrelated, lambda _: None)
    assert plane.publisher.scopes == 1
    assert plane.engine.runs == ran


async def test_a_sidecar_that_changes_where_nobody_looks_changes_nothing():
    plane, sets = await served(*EXACT)
    assert await runs(plane, annotated(EXACT[0], "x")) < 10
    assert len(sets) == 1
