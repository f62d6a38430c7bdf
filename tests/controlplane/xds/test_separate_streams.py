"""A proxy with a stream per type: its streams keep one order, whichever learns of a change first."""

import asyncio
from collections.abc import Iterator

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.resource import CLUSTER, LISTENER, ROUTE, ResourceSet
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import DeltaRequest
from tests.controlplane.xds.grpc_peers import Peer, TableFeed
from tests.controlplane.xds.resource_worlds import Item, first_set, having, next_set
from tests.controlplane.xds.test_server import until

CDS = "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters"
RDS = "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes"
BEFORE = {CLUSTER: {"old": Item()}, ROUTE: {"r": Item()}, LISTENER: {}}
AFTER = {CLUSTER: {"new": Item()}, ROUTE: {"r": Item(salt=1)}, LISTENER: {}}
ACK_TIMEOUT = PushLimits().ack_timeout


class Streams:
    """The sessions of one proxy's streams, and what it holds."""

    def __init__(self) -> None:
        self.set = first_set(BEFORE)
        self.sessions = {}
        self.held: dict[tuple[str, str], str] = {}
        self.nonces: dict[str, str] = {}
        for type_url in (CLUSTER, ROUTE):
            self.sessions[type_url] = DeltaSession(
                self.set, PushLimits(), 0.0, None, lambda me=type_url: self.others(me)
            )
            self.sessions[type_url].receive(DeltaRequest(type_url, ("r",) if type_url == ROUTE else ()))
            assert self.step(type_url, 0.0)
            self.ack(type_url)

    def others(self, me: str) -> Iterator:
        return (session.push_order for type_url, session in self.sessions.items() if type_url != me)

    def offer(self, type_url: str, new: ResourceSet) -> None:
        self.sessions[type_url].offer(new)

    def step(self, type_url: str, now: float) -> bool:
        """Take a response of a stream, if there is one."""
        message = self.sessions[type_url].next(now)
        if message is None:
            return False
        response = DeltaDiscoveryResponse.FromString(message)
        self.held.update({(type_url, resource.name): resource.version for resource in response.resources})
        for name in response.removed_resources:
            self.held.pop((type_url, name), None)
        self.nonces[type_url] = response.nonce
        return True

    def ack(self, type_url: str) -> None:
        if type_url in self.nonces:
            self.sessions[type_url].receive(DeltaRequest(type_url, nonce=self.nonces.pop(type_url)))

    @property
    def broken(self) -> bool:
        """Whether the proxy's route names a cluster that it does not have."""
        new = self.held[ROUTE, "r"] == self.set.of_type(ROUTE)["r"].version
        return (CLUSTER, "new" if new else "old") not in self.held


ACTS = st.sampled_from([(act, kind) for act in ("offer", "step", "ack") for kind in (CLUSTER, ROUTE)])


@given(st.lists(ACTS, max_size=20))
def test_the_route_never_names_a_cluster_that_is_not_there(acts) -> None:
    proxy = Streams()
    old, proxy.set = proxy.set, next_set(proxy.set, AFTER)
    todo = {CLUSTER, ROUTE}
    for act, kind in acts:
        if act == "offer" and kind in todo:
            todo.discard(kind)
            proxy.offer(kind, proxy.set)
        elif act != "offer":
            getattr(proxy, act)(kind, *([1.0] if act == "step" else []))
        assert not proxy.broken, acts
    for kind in todo:
        proxy.offer(kind, proxy.set)
    for _ in range(8):
        for kind in (CLUSTER, ROUTE):
            proxy.step(kind, 1.0)
            proxy.ack(kind)
            assert not proxy.broken
    fresh = {(kind, name): item.version for kind in (CLUSTER, ROUTE) for name, item in proxy.set.of_type(kind).items()}
    assert proxy.held == fresh
    assert old is not proxy.set


def test_a_stream_that_hears_of_nothing_holds_the_others_up_for_the_ack_timeout_only() -> None:
    proxy = Streams()
    proxy.set = next_set(proxy.set, AFTER)
    proxy.offer(ROUTE, proxy.set)
    assert not proxy.step(ROUTE, 1.0)
    assert proxy.sessions[ROUTE].wake_at(1.0) == 1.0 + ACK_TIMEOUT
    assert proxy.step(ROUTE, 1.0 + ACK_TIMEOUT)


async def test_over_grpc_too_a_route_waits_for_the_cluster_stream(server, feed: TableFeed, channel) -> None:
    feed.publish(BEFORE)
    clusters, routes = (Peer(channel, method, delta=True) for method in (CDS, RDS))
    await clusters.send(CLUSTER)
    response = await clusters.read()
    await clusters.send(CLUSTER, response_nonce=response.nonce)
    await routes.send(ROUTE, resource_names_subscribe=["r"])
    await routes.send(ROUTE, response_nonce=(await routes.read()).nonce)
    await until(lambda: len(feed.acks) == 2)

    feed.publish(having(AFTER, CLUSTER, old=Item()))
    second = await clusters.read()
    assert [resource.name for resource in second.resources] == ["new"]
    route = asyncio.create_task(routes.read())
    await asyncio.wait([route], timeout=0.2)
    assert not route.done(), "the route is not sent before the cluster is accepted"
    await clusters.send(CLUSTER, response_nonce=second.nonce)
    assert [resource.name for resource in (await route).resources] == ["r"]
