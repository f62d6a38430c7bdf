"""What HTTP/1.1 lets clients ask of servers with headers of their connection, through a sidecar and a router."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.support.edge_router import gateway, router, server
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, until_copied, versions
from tests.e2e.support.raw_http import send_raw
from tests.e2e.support.sidecars import sidecar

pytestmark = pytest.mark.envoy

PORT = 8000
HOST = "web.default.svc.cluster.local"
OK, FORBIDDEN = 200, 403
BODY = b"a body"
EXPECTATION = "expect: 100-continue"
RULES = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  gateways: [mesh, edge]
  http:
  - route: [{destination: {host: web, port: {number: 8000}}}]
    mirrors:
    - destination: {host: shadow, port: {number: 8000}}
    - destination: {host: refusing, port: {number: 8000}}
"""


class Server:
    """An HTTP/1.1 server that answers 100 to requests that ask for it. It refuses those of `/refused`, or all."""

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self.heads: list[str] = []
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as listening:
            self.port = listening.sockets[0].getsockname()[1]
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            self.heads.append(head)
            refused = self._refuses or "/refused" in head
            status = "417 Expectation Failed" if refused else "200 OK"
            if EXPECTATION in head and not refused:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await reader.readexactly(len(BODY))
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
        finally:
            writer.close()


class World(msgspec.Struct, frozen=True):
    stage: Stage
    address: tuple[str, int]
    server: Server
    copies: Workload
    refusing: Server

    async def put(self, path: str) -> list[str]:
        """Put a body as a client does that asks first; return the status lines in order of arrival."""
        reader, writer = await asyncio.open_connection(*self.address)
        head = f"PUT {path} HTTP/1.1\r\nhost: {HOST}\r\n{EXPECTATION}\r\ncontent-length: {len(BODY)}\r\n\r\n"
        writer.write(head.encode())
        statuses = [await self._status(reader)]
        if statuses == ["100"]:
            writer.write(BODY)
            statuses.append(await self._status(reader))
        writer.close()
        return statuses

    async def _status(self, reader: asyncio.StreamReader) -> str:
        head = await reader.readuntil(b"\r\n\r\n")
        return head.split()[1].decode()


@pytest.fixture(params=["sidecar", "router"])
async def world(stage: Stage, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(Server().running())
        copies = await stack.enter_async_context(Workload("shadow"))
        services = [service("web", PORT), versions("web", [live.port])]
        services += [service("shadow", PORT), versions("shadow", [copies.port])]
        refusing = await stack.enter_async_context(Server(refuses=True).running())
        services += [service("refusing", PORT), versions("refusing", [refusing.port])]
        await stage.apply(join_manifests(NO_ACCESS_LOG, *services, gateway(server(PORT, "HTTP", "*")), RULES))
        envoy = await (sidecar(stage, PORT) if request.param == "sidecar" else router(stage, PORT))
        yield World(stage, (envoy.address, PORT), live, copies, refusing)
        assert not nack_messages(stage)


async def test_the_server_decides_whether_a_client_that_asks_may_send_its_body(world: World) -> None:
    async def send() -> None:
        assert await world.put("/taken") == ["100", "200"], "also where a mirror refuses the copy"

    await until_copied(send, lambda: bool(world.copies.received and world.refusing.heads))
    assert EXPECTATION in world.server.heads[0]
    assert EXPECTATION in world.refusing.heads[0]
    assert world.copies.received[0].size == len(BODY)
    assert await world.put("/refused") == ["417"]


async def test_an_offer_of_tls_with_a_plain_request_is_ignored(world: World) -> None:
    for offered in ("TLS/1.2", "tls/1.3"):
        assert await offer(world, offered) == OK
    assert not any("upgrade:" in head for head in world.server.heads)
    assert await offer(world, "unknown/1.0") == FORBIDDEN


async def offer(world: World, protocol: str) -> int:
    """Send a plain request that offers to go on with another protocol; return the status."""
    headers = (("host", HOST), ("connection", "upgrade"), ("upgrade", protocol))
    return (await send_raw(world.address, "GET /", headers)).status
