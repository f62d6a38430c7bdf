"""The load that finds failed requests: it tells a request that a server fails from a server that is slow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.e2e.support import http_load
from tests.e2e.support.http_load import Address, direct_request, steady_load
from tests.e2e.support.manifests import until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
GOOD, BAD = direct_request("web", "/good"), direct_request("web", "/bad")

Answer = Callable[[asyncio.Transport], None]


class Server(asyncio.Protocol):
    """A connection of a server that answers each request with `answer`, but the first one for /bad with `answer_bad`.

    Clients send the next request on a connection after the response, so each chunk is one request.
    """

    def __init__(self, answer_bad: list[Answer], answer: Answer, open_connections: set[asyncio.Transport]) -> None:
        self._answer_bad, self._answer, self._open = answer_bad, answer, open_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._open.discard(self._transport)

    def data_received(self, request: bytes) -> None:
        answer = self._answer_bad.pop() if b"/bad" in request and self._answer_bad else self._answer
        answer(self._transport)


def succeed(transport: asyncio.Transport) -> None:
    transport.write(OK)


def fail(transport: asyncio.Transport) -> None:
    transport.write(OK.replace(b"200 OK", b"503 Service Unavailable"))


def reset(transport: asyncio.Transport) -> None:
    transport.abort()


def hang(_: asyncio.Transport) -> None:
    pass


@asynccontextmanager
async def server(answer_bad: Answer, answer: Answer = succeed) -> AsyncIterator[Address]:
    """Serve until the block ends."""
    first, open_connections = [answer_bad], set[asyncio.Transport]()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Server(first, answer, open_connections), "127.0.0.1", 0) as listening:
        host, port = listening.sockets[0].getsockname()
        yield host, port
        for transport in open_connections:
            transport.abort()


@pytest.mark.parametrize(
    ("answer_bad", "failure"),
    [(hang, "hung"), (reset, "ConnectionError"), (fail, "status 503")],
    ids=["hung", "reset", "503"],
)
async def test_one_failed_request_is_counted_among_answered_ones(
    monkeypatch: pytest.MonkeyPatch, answer_bad: Answer, failure: str
) -> None:
    monkeypatch.setattr(http_load, "PAUSE_S", 0.0)
    monkeypatch.setattr(http_load, "OVERTAKEN", 100)
    async with server(answer_bad) as address, steady_load([(address, GOOD), (address, BAD)]) as load:
        await until(lambda: bool(load.failed), "a request failed")
    assert (load.failed, load.sent) == ({failure: 1}, load.answered + 1)


async def test_a_slow_server_fails_no_request_and_gets_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_load, "PAUSE_S", 0.0)
    monkeypatch.setattr(http_load, "OVERTAKEN", 3 * http_load.CLIENTS)
    waiting = peak = 0

    def answer_late(transport: asyncio.Transport) -> None:
        nonlocal waiting
        waiting -= 1
        transport.write(OK)

    def hold(transport: asyncio.Transport) -> None:
        nonlocal waiting, peak
        waiting += 1
        peak = max(peak, waiting)
        asyncio.get_running_loop().call_later(0.01, answer_late, transport)

    async with server(hold, hold) as address, steady_load([(address, GOOD)]) as load:
        await until(lambda: load.answered > 10 * http_load.CLIENTS, "requests were answered")
    assert not load.failed
    assert peak == http_load.CLIENTS


async def test_a_refused_connection_is_a_failed_request() -> None:
    async with server(hang) as address:
        pass
    async with steady_load([(address, GOOD)]) as load:
        await until(lambda: bool(load.failed), "a request failed")
    assert load.failed.keys() == {"ConnectionRefusedError"}
