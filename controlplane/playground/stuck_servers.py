"""A server that misbehaves: the worst that a mirror target can do to the requests that it gets copies of.

The servers of `workload` behave. Tests add other kinds of misbehaviour with `serving`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

LOOPBACK = "127.0.0.1"
SMALL_BUFFER = 4096  # bytes; the kernel doubles it. Small, so that a sender soon has to wait


class Stuck:
    """A misbehaving server's port, and what happened: connections `accepted` and bytes `read`, of all connections."""

    def __init__(self, port: int) -> None:
        self.address = LOOPBACK
        self.port = port
        self.accepted = 0
        self.read = 0


Serve = Callable[[Stuck, socket.socket], Awaitable[None]]


@asynccontextmanager
async def never_reading() -> AsyncIterator[Stuck]:
    """Accept every connection and never read a byte, so that a sender's buffers fill and stay full."""
    async with serving(_wait_forever) as stuck:
        yield stuck


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Stuck]:
    """Run a server that treats each connection with `serve`."""
    tasks: set[asyncio.Task[None]] = set()
    with listening_socket(backlog=128) as listener:
        stuck = Stuck(listener.getsockname()[1])
        tasks.add(asyncio.create_task(_accept(listener, stuck, serve, tasks)))
        try:
            yield stuck
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def listening_socket(backlog: int) -> socket.socket:
    """Return a non-blocking socket that listens on a free loopback port, with small buffers."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)  # connections inherit it
    listener.bind((LOOPBACK, 0))
    listener.listen(backlog)
    return listener


async def _accept(listener: socket.socket, stuck: Stuck, serve: Serve, tasks: set[asyncio.Task[None]]) -> None:
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        stuck.accepted += 1
        task = asyncio.create_task(_serve(connection, stuck, serve))
        task.add_done_callback(partial(_close, connection))  # also if it is cancelled before it begins
        tasks.add(task)


async def _serve(connection: socket.socket, stuck: Stuck, serve: Serve) -> None:
    with suppress(ConnectionError):  # a client that gives up is right
        await serve(stuck, connection)


def _close(connection: socket.socket, _task: asyncio.Task[None]) -> None:
    connection.close()


async def _wait_forever(_stuck: Stuck, _connection: socket.socket) -> None:
    await asyncio.Event().wait()
