"""A small and fast HTTP/1.1 client: requests without bodies, as fast as a few connections allow, or with pauses.

It exists because 200,000 requests have to be counted in seconds, which no client library does in Python.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec

CONNECTIONS = 16
CLIENTS = 16
PAUSE_S = 0.08
"""How long a client of a steady load pauses after a response, on average: at most 200 requests are sent per second."""

OVERTAKEN = 1000
"""How many requests are answered while another waits before that one counts as failed."""

NO_ANSWER_S = 180.0
"""The safety net: nothing is answered at all, so nothing is overtaken."""

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


class LoadCounts:
    """What clients sent, and what came of it: responses with status 200, and failures by kind."""

    def __init__(self) -> None:
        self.sent = self.answered = 0
        self.failed: Counter[str] = Counter()


@asynccontextmanager
async def steady_load(choices: Sequence[tuple[Address, bytes]], seed: int = 0) -> AsyncIterator[LoadCounts]:
    """Send requests drawn from `choices` while the block runs; wait for the last responses at its end.

    The load is closed: CLIENTS clients wait for a response before their next request. A fixed rate is more than a busy
    machine can carry at times, and the queue that grows then looks like a proxy that does not answer. See decision
    0138.
    One in five requests uses a new connection, the others use keep-alive connections.
    """
    load = _ClosedLoad(choices, random.Random(seed))
    clients = [asyncio.create_task(load.run_client()) for _ in range(CLIENTS)]
    try:
        yield load.counts
    finally:
        load.ended = True
        await asyncio.gather(*clients)
        load.close()


class _ClosedLoad:
    """Clients that share dice, counts and idle connections.

    A request is given up once OVERTAKEN others were answered since it was sent. All clients share the machine and the
    proxy: a machine that is short of CPU delays them alike, and none overtakes another by much. So a request never
    fails because the machine is slow, only because the proxy does not answer it.
    """

    def __init__(self, choices: Sequence[tuple[Address, bytes]], dice: random.Random) -> None:
        self.counts = LoadCounts()
        self.ended = False
        self._waiting: dict[asyncio.Timeout, int] = {}  # in the order of sending; responses before each was sent
        self._choices, self._dice = choices, dice
        self._idle: dict[Address, list[_KeepAliveConnection]] = {address: [] for address, _ in choices}

    async def run_client(self) -> None:
        """Send one request after the other until the load ends."""
        while not self.ended:
            await self._send_request(*self._dice.choice(self._choices), fresh=self._dice.random() < 0.2)
            await asyncio.sleep(self._dice.random() * 2 * PAUSE_S)

    def close(self) -> None:
        """Close the idle connections."""
        for line in (line for lines in self._idle.values() for line in lines):
            line.close()

    async def _send_request(self, address: Address, request: bytes, *, fresh: bool) -> None:
        counts, deadline = self.counts, asyncio.timeout(NO_ANSWER_S)
        counts.sent += 1
        self._waiting[deadline] = counts.answered
        try:
            async with deadline:
                answer = await self._exchange(address, request, fresh=fresh)
            failure = "" if answer.status == 200 else f"status {answer.status}"
        except TimeoutError:
            failure = "hung" if self._is_overtaken(deadline) else "no request is answered"
        except OSError as error:
            failure = type(error).__name__
        del self._waiting[deadline]
        self._count(failure)

    def _count(self, failure: str) -> None:
        if failure:
            self.counts.failed[failure] += 1
            return
        self.counts.answered += 1
        now, oldest = asyncio.get_running_loop().time(), next(iter(self._waiting), None)
        if oldest and self._is_overtaken(oldest) and (oldest.when() or now) > now:  # not given up before
            oldest.reschedule(now)

    def _is_overtaken(self, request: asyncio.Timeout) -> bool:
        return self.counts.answered - self._waiting[request] > OVERTAKEN

    async def _exchange(self, address: Address, request: bytes, *, fresh: bool) -> Answer:
        idle = self._idle[address]
        line = None if fresh or not idle else idle.pop()
        if line is None or line.closed:
            _, line = await asyncio.get_running_loop().create_connection(_KeepAliveConnection, *address)
        try:
            answer = await line.ask(request)
        except BaseException:
            line.close()
            raise
        if fresh or line.closed:
            line.close()
        else:
            idle.append(line)
        return answer


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
