"""Servers that misbehave on purpose: what a mirror target can do at its worst, for tests and the demo.

Each is an async context manager that yields a `Stuck`. Separate from `workload`, whose servers behave.
A target that refuses connections needs no server: it is a port from `ports.held_ports`.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial

LOOPBACK = "127.0.0.1"
SMALL_BUFFER = 4096  # bytes; the kernel doubles it. Small, so that a sender is held up quickly
CHUNK = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close() sends RST
HALF_AN_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf"
TICKS = 20  # reads per second of a slow reader
RESET_AFTER = 0.05  # seconds in which the client can see the answer's head before the reset
ACCEPT_QUEUE_PROBE = 0.1  # seconds; loopback connects in far less


class Stuck:
    """A misbehaving server's port, and what happened to it: connections `accepted` and bytes `read` of all of them."""

    def __init__(self, port: int) -> None:
        self.address = LOOPBACK
        self.port = port
        self.accepted = 0
        self.read = 0


Serve = Callable[[Stuck, socket.socket], Awaitable[None]]


@asynccontextmanager
async def never_reading() -> AsyncIterator[Stuck]:
    """Accept every connection and never read a byte, so a sender's buffers fill and stay full."""
    async with _serving(_hold) as stuck:
        yield stuck


@asynccontextmanager
async def reading_slowly(bytes_per_second: int) -> AsyncIterator[Stuck]:
    """Read every connection at this pace (each connection by itself), and never answer."""

    async def trickle(stuck: Stuck, connection: socket.socket) -> None:
        while taken := await _receive(connection, max(1, bytes_per_second // TICKS)):
            stuck.read += taken
            await asyncio.sleep(taken / bytes_per_second)

    async with _serving(trickle) as stuck:
        yield stuck


@asynccontextmanager
async def resetting() -> AsyncIterator[Stuck]:
    """Answer every request with 200 and half a body, then reset the connection."""

    async def answer(stuck: Stuck, connection: socket.socket) -> None:
        stuck.read += await _receive(connection, CHUNK)
        await asyncio.get_running_loop().sock_sendall(connection, HALF_AN_ANSWER)
        await asyncio.sleep(RESET_AFTER)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    async with _serving(answer) as stuck:
        yield stuck


@asynccontextmanager
async def blackholed() -> AsyncIterator[Stuck]:
    """Drop every SYN: a connection neither opens nor fails, as behind a firewall that says nothing.

    The kernel drops the SYNs of a listener whose queue of connections nobody accepted is full, so the queue is filled
    first. Raises RuntimeError on a kernel that accepts connections all the same.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(_listener(backlog=0))
        for _ in range(4):
            filler = stack.enter_context(_nonblocking())
            if not await _connects(filler, listener.getsockname()):
                break
        else:
            raise RuntimeError("this kernel does not drop connections to a full listener")
        yield Stuck(listener.getsockname()[1])


@asynccontextmanager
async def _serving(serve: Serve) -> AsyncIterator[Stuck]:
    tasks: set[asyncio.Task[None]] = set()
    with _listener(backlog=128) as listener:
        stuck = Stuck(listener.getsockname()[1])
        tasks.add(asyncio.create_task(_accept(listener, stuck, serve, tasks)))
        try:
            yield stuck
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _accept(listener: socket.socket, stuck: Stuck, serve: Serve, tasks: set[asyncio.Task[None]]) -> None:
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        stuck.accepted += 1
        task = asyncio.create_task(_serve(connection, stuck, serve))
        task.add_done_callback(partial(_close, connection))  # also if it is cancelled before it begins
        tasks.add(task)


async def _serve(connection: socket.socket, stuck: Stuck, serve: Serve) -> None:
    with suppress(ConnectionError):  # whoever gives up on us is right
        await serve(stuck, connection)


def _close(connection: socket.socket, _task: asyncio.Task[None]) -> None:
    connection.close()


async def _hold(_stuck: Stuck, _connection: socket.socket) -> None:
    await asyncio.Event().wait()


async def _receive(connection: socket.socket, limit: int) -> int:
    return len(await asyncio.get_running_loop().sock_recv(connection, limit))


async def _connects(client: socket.socket, address: tuple[str, int]) -> bool:
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(client, address), ACCEPT_QUEUE_PROBE)
    except TimeoutError:
        return False
    return True


def _listener(backlog: int) -> socket.socket:
    listener = _nonblocking()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)  # connections inherit it
    listener.bind((LOOPBACK, 0))
    listener.listen(backlog)
    return listener


def _nonblocking() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made
