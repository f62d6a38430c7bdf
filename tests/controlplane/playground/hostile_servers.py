"""More ways in which a mirror target can misbehave: slow, resetting, behind a firewall that drops packets.

A target that refuses connections needs no server: it is a port from `ports.held_ports`.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from mirrorplane.controlplane.playground.stuck_servers import Stuck, listening_socket, serving

CHUNK = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close() sends RST
HALF_AN_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf"
READS_PER_SECOND = 20
RESET_DELAY_S = 0.05  # so that the client can read the answer's head before the reset
CONNECT_PROBE_S = 0.1  # loopback connects in far less


@asynccontextmanager
async def reading_slowly(bytes_per_second: int) -> AsyncIterator[Stuck]:
    """Read every connection at this pace (each connection by itself), and never answer."""

    async def trickle(stuck: Stuck, connection: socket.socket) -> None:
        while size := await _receive(connection, max(1, bytes_per_second // READS_PER_SECOND)):
            stuck.read += size
            await asyncio.sleep(size / bytes_per_second)

    async with serving(trickle) as stuck:
        yield stuck


@asynccontextmanager
async def resetting() -> AsyncIterator[Stuck]:
    """Answer every request with 200 and half a body, then reset the connection."""

    async def answer(stuck: Stuck, connection: socket.socket) -> None:
        stuck.read += await _receive(connection, CHUNK)
        await asyncio.get_running_loop().sock_sendall(connection, HALF_AN_ANSWER)
        await asyncio.sleep(RESET_DELAY_S)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    async with serving(answer) as stuck:
        yield stuck


@asynccontextmanager
async def blackholed() -> AsyncIterator[Stuck]:
    """Drop every SYN: a connection neither opens nor fails, as behind a firewall that drops packets.

    Linux drops the SYNs of a listener whose accept queue is full, so the queue is filled first. Raises RuntimeError on
    a kernel that accepts connections all the same.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(listening_socket(backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            filler.setblocking(False)
            if not await _connects(filler, listener.getsockname()):
                break
        else:
            raise RuntimeError("this kernel does not drop connections to a full listener")
        yield Stuck(listener.getsockname()[1])


async def _receive(connection: socket.socket, limit: int) -> int:
    return len(await asyncio.get_running_loop().sock_recv(connection, limit))


async def _connects(client: socket.socket, address: tuple[str, int]) -> bool:
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(client, address), CONNECT_PROBE_S)
    except TimeoutError:
        return False
    return True
