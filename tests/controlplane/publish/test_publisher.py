"""What proxies are offered: the last good set of their scope, whatever goes wrong while making the next one."""

from math import inf

import msgspec
import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import CLUSTER, ROUTE, SECRET, Resource, ResourceSet
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.engine.engine import Call
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.publish.proxy_findings import ProxyFindings
from mirrorplane.controlplane.publish.scope_cache import Dirty, ScopeCache
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import DeltaRequest
from mirrorplane.translators.contract import Check, Output
from mirrorplane.translators.outputs import sidecar_routes
from tests.builders import SLEEP, decoded, objects, plane_of
from tests.controlplane.engine.cached_calls import cached_calls

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: %d}]}
"""
TWO_PORTS = SERVICE.replace("}]}", "}, {name: http-2, port: 81}]}") % 80
RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{match: [{sourceLabels: {tier: gold}}], route: [{destination: {host: gold}}]}]}
"""


async def apply(plane: Plane, text: str) -> None:
    for obj in objects(text):
        plane.store.apply(obj.ref, obj)
    await plane.publish()


class Bug:
    """Makes one output's function raise when `on`."""

    def __init__(self, fn):
        self.fn, self.on = fn, False

    def __call__(self, *args):
        if self.on:
            raise ZeroDivisionError("a bug")
        return self.fn(*args)


@pytest.mark.parametrize("broken", ["build", "names"])
async def test_a_build_that_raises_keeps_the_last_good_one_and_is_tried_again(broken: str, caplog):
    routes = sidecar_routes.OUTPUT
    bug = Bug(getattr(routes, broken))
    outputs = tuple(msgspec.structs.replace(o, **{broken: bug}) if o is routes else o for o in catalogue().outputs)
    plane = Plane(msgspec.structs.replace(catalogue(), outputs=outputs), slice_s=inf)
    sets: list[ResourceSet] = []
    await apply(plane, SERVICE % 80)
    plane.publisher.attach(SLEEP, sets.append)
    before = sets[-1]

    bug.on = True
    await apply(plane, TWO_PORTS)
    assert sets[-1].of_type(ROUTE).keys() == before.of_type(ROUTE).keys(), "the last good routes go on"
    assert broken == "names" or sets[-1].of_type(ROUTE) == before.of_type(ROUTE)
    assert "outbound|81||web.default.svc.cluster.local" in sets[-1].of_type(CLUSTER), "other types are not held up"
    assert {key[1] for key in plane.publisher.failures} == {ROUTE}
    assert "serving the last good one" in caplog.text

    bug.on = False
    await apply(plane, "")
    assert "81" in sets[-1].of_type(ROUTE)
    assert not plane.publisher.failures


async def test_a_stream_that_fails_to_take_a_set_does_not_keep_it_from_others(caplog):
    plane = await plane_of(SERVICE % 80)
    sets: list[ResourceSet] = []

    def broken(served: ResourceSet) -> None:
        if served.generation > 1:
            raise ZeroDivisionError("a bug")

    plane.publisher.attach(SLEEP, broken)
    plane.publisher.attach(SLEEP, sets.append)
    await apply(plane, SERVICE % 81)
    assert "81" in sets[-1].of_type(ROUTE)
    assert "failed to take its new resources" in caplog.text


async def test_proxies_of_one_scope_share_one_set():
    plane = await plane_of(SERVICE % 80)
    sets: list[ResourceSet] = []
    for name in ("a", "b"):
        plane.publisher.attach(Proxy("sidecar", name, "default", labels={"pod": name}), sets.append)
    assert sets[0] is sets[1]
    assert plane.publisher.scopes == 1


async def test_a_proxy_changes_scope_when_an_object_begins_to_select_on_its_labels():
    plane = await plane_of(SERVICE % 80)
    plain: list[ResourceSet] = []
    gold: list[ResourceSet] = []
    plane.publisher.attach(SLEEP, plain.append)
    plane.publisher.attach(Proxy("sidecar", "g", "default", labels={"tier": "gold"}), gold.append)
    assert plane.publisher.scopes == 1

    await apply(plane, RULE)
    assert plane.publisher.scopes == 2
    assert "gold.default" in str(decoded(gold[-1], ROUTE))
    assert "gold.default" not in str(decoded(plain[-1], ROUTE))


@pytest.mark.parametrize("behind", [False, True])
async def test_a_proxy_that_moves_between_scopes_ends_up_with_what_a_fresh_one_is_sent(behind: bool):
    plane = await plane_of(SERVICE % 80 + "---" + RULE)
    plane.publisher.attach(SLEEP, lambda _: None)
    if behind:
        await apply(plane, SERVICE.replace("web", "other") % 82)  # now the scopes have not seen equally many changes
    labelled = Proxy("sidecar", "g", "default", labels={"tier": "gold"})
    sets: dict[str, str] = {}
    sessions: list[DeltaSession] = []

    def offer(served: ResourceSet) -> None:
        if sessions:
            sessions[0].offer(served)
        else:
            sessions.append(DeltaSession(served, PushLimits(), 0.0))
            sessions[0].receive(DeltaRequest(ROUTE, ("80",)))
        while (message := sessions[0].next(0.0)) is not None:
            response = DeltaDiscoveryResponse.FromString(message)
            sets.update({resource.name: resource.version for resource in response.resources})
            sessions[0].receive(DeltaRequest(ROUTE, nonce=response.nonce))

    plane.publisher.attach(labelled, offer)
    [rule] = objects(RULE)
    plane.store.apply(rule.ref, None)
    await plane.publish()
    assert plane.publisher.scopes == 1
    assert sets["80"] == plane.render(labelled).of_type(ROUTE)["80"].version


async def test_the_cache_of_a_scope_without_proxies_is_evicted_in_slices():
    plane = Plane(catalogue(), slice_s=0)
    empty = plane.engine.size
    for obj in objects(SERVICE % 80):
        plane.store.apply(obj.ref, obj)
    sets: list[ResourceSet] = []
    leave = plane.publisher.attach(SLEEP, sets.append)
    await plane.publish()
    size = plane.engine.size - empty
    leave()
    assert plane.engine.size - empty > size / 2, "most of it waits for its turn"
    await plane.executor.run(lambda: None)
    assert plane.engine.size - empty < size / 2


async def test_unchanged_resources_are_not_offered_again():
    plane = await plane_of(SERVICE % 80)
    sets: list[ResourceSet] = []
    plane.publisher.attach(SLEEP, sets.append)
    for obj in objects(SERVICE % 80):
        plane.store.apply(obj.ref, obj)
    assert await plane.publish() == 0
    assert len(sets) == 1


async def test_a_scope_without_proxies_is_evicted():
    plane = await plane_of(SERVICE % 80)
    size = plane.engine.size
    plane.publisher.attach(SLEEP, lambda _: None)()
    plane.publisher.attach(SLEEP, lambda _: None)()
    assert plane.publisher.scopes == 0
    assert plane.engine.size <= size + 2, "only what every scope asks for stays"


async def test_rendering_leaves_nothing_behind():
    plane = await plane_of(SERVICE % 80)
    plane.render(SLEEP)
    plane.engine.collect()
    before = plane.engine.size
    for i in range(20):
        plane.render(Proxy("sidecar", "x", f"ns-{i}"))
    assert plane.engine.size <= before + 5


async def test_a_proxy_that_leaves_during_a_publish_leaves_nothing_behind():
    plane = await plane_of(SERVICE % 80)
    detach = {}

    def leave_with_the_other(_: ResourceSet) -> None:
        if plane.published:
            detach.pop("b", lambda: None)()

    plane.publisher.attach(SLEEP, leave_with_the_other)
    detach["b"] = plane.publisher.attach(Proxy("sidecar", "b", "elsewhere"), lambda _: None)
    await apply(plane, SERVICE % 81)
    await plane.executor.run(lambda: None)  # what was to be done after the publish has been done
    assert plane.publisher.scopes == 1
    sets = {
        call for call in cached_calls(plane.engine) if any(getattr(a, "namespace", "") == "elsewhere" for a in call[1:])
    }
    assert not sets


async def test_an_object_whose_check_raises_is_reported_and_affects_no_other(monkeypatch: pytest.MonkeyPatch, caplog):
    def broken(*_):
        raise KeyError("a bug")

    monkeypatch.setattr("mirrorplane.translators.findings._checks", lambda: (Check(table=broken),))
    plane = await plane_of(SERVICE % 80 + "---" + RULE)
    assert [(f.reason, f.about.name) for f in plane.findings.all()] == [("InternalError", "web")]
    assert "outbound|80||web.default.svc.cluster.local" in plane.render(SLEEP).of_type(CLUSTER)
    assert "checking VirtualService default/web failed" in caplog.text


async def test_resources_shared_by_two_scopes_stay_when_one_is_evicted():
    plane = await plane_of(SERVICE % 80)
    sets: list[ResourceSet] = []
    plane.publisher.attach(SLEEP, sets.append)
    plane.publisher.attach(Proxy("sidecar", "b", "default", unprivileged=True), lambda _: None)()
    await apply(plane, TWO_PORTS)
    assert "outbound|81||web.default.svc.cluster.local" in sets[-1].of_type(CLUSTER)
    await apply(plane, SERVICE % 82)
    assert "outbound|82||web.default.svc.cluster.local" in sets[-1].of_type(CLUSTER)


TRUSTING = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, annotations: {mirrorplane.io/service-accounts: "a, b"}}
spec: {selector: {}, servers: []}
"""


async def test_a_secret_is_built_only_for_scopes_with_the_account_of_a_router():
    identities = []

    def secret(_, scope, name):
        identities.append(scope.identity)
        return Resource(SECRET, name, "1", (scope.identity.encode(),))

    outputs = (Output(SECRET, lambda *_: (("cert",),), secret),)
    plane = Plane(msgspec.structs.replace(catalogue(), outputs=outputs), slice_s=inf)
    (gateway,) = objects(TRUSTING)
    plane.store.apply(gateway.ref, gateway)
    await plane.publish()
    sets: dict[str, ResourceSet] = {}
    accounts = {name: f"spiffe://x/ns/default/sa/{name}" for name in "abd"}
    for name, identity in (*accounts.items(), ("c", "")):
        proxy = Proxy("router", name, "default", identity=identity)
        plane.publisher.attach(proxy, lambda served, name=name: sets.update({name: served}))
    assert {name: [r.body for r in served.of_type(SECRET).values()] for name, served in sets.items()} == {
        "a": [b"spiffe://x/ns/default/sa/a"],
        "b": [b"spiffe://x/ns/default/sa/b"],
        "c": [],
        "d": [],
    }
    assert sorted(identities) == ["spiffe://x/ns/default/sa/a", "spiffe://x/ns/default/sa/b"]


async def test_a_change_visits_no_scope_that_it_does_not_concern(monkeypatch: pytest.MonkeyPatch):
    plane = Plane(catalogue(), slice_s=inf)
    for number in range(20):
        await apply(plane, private_service(f"ns-{number}", 80))
        plane.publisher.attach(Proxy("sidecar", "client", f"ns-{number}"), lambda _: None)
    await plane.publish()
    visited: list[str] = []
    refresh = ScopeCache.refresh

    def refresh_and_note(cache: ScopeCache, view: View, dirty: Dirty) -> bool:
        visited.append(cache.scope.namespace)
        return refresh(cache, view, dirty)

    checked: set[str] = set()
    update = ProxyFindings._update

    def update_and_note(findings: ProxyFindings, view: View, call: Call) -> None:
        checked.add(call[1].namespace)
        update(findings, view, call)

    monkeypatch.setattr(ScopeCache, "refresh", refresh_and_note)
    monkeypatch.setattr(ProxyFindings, "_update", update_and_note)
    await apply(plane, private_service("ns-7", 81))
    assert visited == ["ns-7"]
    assert checked <= {"ns-7"}


def private_service(namespace: str, port: int) -> str:
    metadata = f"metadata: {{name: web, namespace: {namespace}, annotations: {{networking.istio.io/exportTo: .}}}}"
    return (SERVICE % port).replace("metadata: {name: web}", metadata)
