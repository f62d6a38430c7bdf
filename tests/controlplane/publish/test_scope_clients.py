"""One client with many scopes: what it is refused, and that its scopes wait for everybody else's."""

import asyncio

import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import LISTENER, ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.publish.scope_clients import FAIR_SHARE, TooManyScopesError
from tests.builders import SLEEP, objects

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: %d}]}
"""
GREEDY, OTHER = "spiffe://cluster.local/ns/default/sa/greedy", "spiffe://cluster.local/ns/default/sa/sleep"


class World:
    """A plane, and the order in which proxies get their sets."""

    def __init__(self, *, max_scopes: int = 100) -> None:
        self.plane = Plane(catalogue(), slice_s=0.0, max_scopes=max_scopes)
        self.sets: dict[str, ResourceSet] = {}
        self.order: list[str] = []

    def attach(self, proxy: Proxy, client: str):
        def offer(served: ResourceSet) -> None:
            self.sets[proxy.ip] = served
            self.order.append(proxy.ip)

        self.plane.publisher.attach(proxy, offer, client)
        return offer

    def attach_greedy(self, count: int) -> list[str]:
        """Attach proxies that claim an address of this machine each, and so have a scope each."""
        addresses = [f"127.0.1.{number}" for number in range(count)]
        for address in addresses:
            self.attach(Proxy("sidecar", "sleep", "default", ip=address), GREEDY)
        return addresses

    async def publish(self, port: int) -> None:
        for obj in objects(SERVICE % port):
            self.plane.store.apply(obj.ref, obj)
        await self.plane.publish()

    async def until_idle(self) -> None:
        """Wait until no scope is late, and none is being built."""
        while self.plane.publisher.late:
            await asyncio.sleep(0)
        await self.plane.executor.run(lambda: None)

    def is_current(self, address: str, port: int) -> bool:
        return any(str(port) in name for name in self.sets[address].of_type(LISTENER))


async def test_a_client_may_not_have_more_scopes_than_the_limit():
    world = World(max_scopes=100)
    await world.publish(80)
    world.attach_greedy(100)
    with pytest.raises(TooManyScopesError, match=r"100 different configurations.*--max-scopes"):
        world.attach(Proxy("sidecar", "sleep", "default", ip="127.0.2.1"), GREEDY)

    world.attach(Proxy("sidecar", "sleep-2", "default", ip="127.0.1.7"), GREEDY)  # a scope that it has
    world.attach(SLEEP, OTHER)
    assert world.plane.publisher.scopes == 101


async def test_a_client_whose_proxies_leave_may_come_back():
    world = World(max_scopes=1)
    await world.publish(80)
    leave = world.plane.publisher.attach(Proxy("sidecar", "a", "default", ip="127.0.1.1"), lambda _: None, GREEDY)
    leave()
    world.attach(Proxy("sidecar", "b", "default", ip="127.0.1.2"), GREEDY)


async def test_a_change_reaches_everybody_else_before_the_scopes_of_a_greedy_client():
    world = World()
    await world.publish(80)
    greedy = world.attach_greedy(FAIR_SHARE + 20)
    await world.until_idle()
    world.attach(SLEEP, OTHER)
    await world.until_idle()
    world.order.clear()

    await world.publish(8080)
    assert world.order == [SLEEP.ip], "the publish is over, whatever the greedy client has"
    assert not world.is_current(greedy[0], 8080)

    await world.publish(8081)
    assert world.order == [SLEEP.ip, SLEEP.ip], "nor does the next change wait for what is left of the first"
    await world.until_idle()
    assert all(world.is_current(address, 8081) for address in greedy), "it gets its resources after all"


async def test_a_greedy_client_does_not_delay_the_scopes_that_it_shares():
    world = World()
    await world.publish(80)
    greedy = world.attach_greedy(FAIR_SHARE + 20)
    await world.until_idle()
    world.attach(Proxy("sidecar", "web", "default", ip=greedy[3]), OTHER)

    await world.publish(8080)
    assert world.is_current(greedy[3], 8080)


async def test_scopes_that_a_proxy_has_accepted_are_brought_up_to_date_first():
    world = World()
    await world.publish(80)
    for number in range(5):
        world.attach(Proxy("sidecar", "sleep", "default", ip=f"127.0.1.{number}"), OTHER)
    healthy = world.attach(SLEEP, OTHER)
    await world.until_idle()
    world.plane.publisher.accept(healthy)
    world.order.clear()

    await world.publish(8080)
    assert world.order[0] == SLEEP.ip
    assert len(world.order) == 6
