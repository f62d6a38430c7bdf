"""A server on a feed that a test controls, and a channel to it."""

from collections.abc import AsyncIterator

import grpc
import pytest

from tests.controlplane.xds.grpc_peers import TableFeed, XdsServer
from tests.controlplane.xds.resource_worlds import SMALL


@pytest.fixture
def feed() -> TableFeed:
    return TableFeed(SMALL)


@pytest.fixture
async def server(feed: TableFeed) -> AsyncIterator[XdsServer]:
    server = XdsServer(feed, "127.0.0.1:0")
    await server.start()
    yield server
    await server.stop(grace=1.0)


@pytest.fixture
async def channel(server: XdsServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel
