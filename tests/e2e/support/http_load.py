"""A small and fast HTTP/1.1 client: requests without bodies, as fast as a few connections allow, or at a fixed rate.

It exists because 200,000 requests have to be counted in seconds, which no client library does in Python.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

CONNECTIONS = 16
TIMEOUT_S = 20.0
"""How long a client waits for an answer before it counts as failed."""

_END = b"\r\n\r\n"
_LENGTH = b"\ncontent-length:"
_WORKLOAD = b"\nx-workload:"

Address = tuple[str, int]


class Answer(msgspec.Struct, frozen=True):
    """The status of a response, and the name of the workload that sent it ("" if unknown)."""

    status: int
    workload: str


def proxy_request(host: str, path: str = "/") -> bytes:
    """Return a request as a client of an HTTP proxy writes it."""
    return f"GET http://{host}{path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()


def direct_request(host: str, path: str = "/") -> bytes:
    """Return a request as a client that dialled the service's port writes it."""
    return f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()


async def flood(address: Address, requests: Iterable[bytes], connections: int = CONNECTIONS) -> list[Answer]:
    """Send all requests, each connection one after the other; return the answers in the order of the requests.

    Raises ConnectionError when a connection is closed before its answer.
    """
    waiting = deque(enumerate(requests))
    answers: list[Answer] = [Answer(0, "")] * len(waiting)
    loop = asyncio.get_running_loop()

    async def drain_queue() -> None:
        _, line = await loop.create_connection(lambda: _FloodConnection(waiting, answers), *address)
        try:
            await line.done
        finally:
            line.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(drain_queue())
    return answers


class Rate:
    """The counts of a client that sends at a fixed rate, however slow the responses; failures by kind."""

    def __init__(self) -> None:
        self.sent = self.answered = 0
        self.failed: Counter[str] = Counter()


@asynccontextmanager
async def steady_load(
    choices: Sequence[tuple[Address, bytes]], per_second: float, seed: int = 0
) -> AsyncIterator[Rate]:
    """Send requests drawn from `choices` at a fixed rate while the block runs; wait for the last answers at its end.

    One in five uses a new connection, the others use keep-alive connections.
    """
    rate, dice = Rate(), random.Random(seed)
    idle: dict[Address, list[_KeepAliveConnection]] = {address: [] for address, _ in choices}
    tasks: set[asyncio.Task[None]] = set()

    async def pump() -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            while rate.sent < (loop.time() - started) * per_second:
                address, request = dice.choice(choices)
                task = asyncio.create_task(
                    _send_request(rate, idle[address], address, request, fresh=dice.random() < 0.2)
                )
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                rate.sent += 1
            await asyncio.sleep(1 / per_second)

    pumping = asyncio.create_task(pump())
    try:
        yield rate
    finally:
        pumping.cancel()
        with suppress(asyncio.CancelledError):
            await pumping
        await asyncio.gather(*tasks)
        for line in (line for lines in idle.values() for line in lines):
            line.close()


async def _send_request(
    rate: Rate, idle: list["_KeepAliveConnection"], address: Address, request: bytes, *, fresh: bool
) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            line = None if fresh or not idle else idle.pop()
            if line is None or line.closed:
                _, line = await asyncio.get_running_loop().create_connection(_KeepAliveConnection, *address)
            answer = await line.ask(request)
        if fresh or line.closed:
            line.close()
        else:
            idle.append(line)
    except (OSError, TimeoutError) as error:
        rate.failed[type(error).__name__] += 1
        return
    if answer.status == 200:
        rate.answered += 1
    else:
        rate.failed[f"status {answer.status}"] += 1


class _Connection(asyncio.Protocol, ABC):
    """A connection that splits its input into responses. `closed` is set too if the server announces it."""

    def __init__(self) -> None:
        self.closed = False
        self._in = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        self.lost()

    def data_received(self, chunk: bytes) -> None:
        self._in += chunk
        while (head := self._in.find(_END)) >= 0:
            head_bytes = self._in[:head].lower()
            end = head + len(_END) + int(_field(head_bytes, _LENGTH) or 0)
            if len(self._in) < end:
                return
            self._in = self._in[end:]
            self.closed = self.closed or b"\nconnection: close" in head_bytes
            self.answered(Answer(int(head_bytes[9:12]), _field(head_bytes, _WORKLOAD).decode()))

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @abstractmethod
    def answered(self, answer: Answer) -> None:
        """A response is complete."""

    @abstractmethod
    def lost(self) -> None:
        """The connection is lost."""


class _FloodConnection(_Connection):
    """Sends requests from a queue, one after the other; `done` when it is empty."""

    def __init__(self, waiting: deque[tuple[int, bytes]], answers: list[Answer]) -> None:
        super().__init__()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting, self._answers = waiting, answers
        self._index = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._next()

    def answered(self, answer: Answer) -> None:
        self._answers[self._index] = answer
        self._next()

    def lost(self) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("closed before the answer"))

    def _next(self) -> None:
        if self._waiting:
            self._index, request = self._waiting.popleft()
            self.send(request)
        elif not self.done.done():
            self.done.set_result(None)


class _KeepAliveConnection(_Connection):
    """A connection that is reused for one request after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a request and return its response. Raises ConnectionError when the connection is lost first."""
        self._answer = asyncio.get_running_loop().create_future()
        if self.closed:
            raise ConnectionError("closed before the request")
        self.send(request)
        return await self._answer

    def answered(self, answer: Answer) -> None:
        self._settle(lambda future: future.set_result(answer))

    def lost(self) -> None:
        self._settle(lambda future: future.set_exception(ConnectionError("closed before the answer")))

    def _settle(self, how: Callable[["asyncio.Future[Answer]"], None]) -> None:
        if self._answer is not None and not self._answer.done():
            how(self._answer)


def _field(head: bytes, name: bytes) -> bytes:
    """Return a header's value from a lower-case head, b"" if absent."""
    start = head.find(name)
    if start < 0:
        return b""
    end = head.find(b"\r", start + len(name))
    return head[start + len(name) : end if end >= 0 else len(head)].strip()
