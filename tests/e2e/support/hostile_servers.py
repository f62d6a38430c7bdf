"""Mirror targets that attack the proxy, one port for each way to do it: `python -m tests.e2e.support.hostile_servers`.

A process of its own with the lowest priority, because a flood must not slow down the client that measures its effect.
What a target sends is data: `HTTP1` and `HTTP2` name the modes. It sends as fast as the proxy reads, which is all that
bounds it.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import msgspec

from tests.e2e.support import hostile_frames as h2

REPEAT_BYTES = 1 << 16
"""About how much of what is repeated is written at once."""

_READ_BYTES = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close() sends RST
_TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"  # fatal, handshake_failure


class Http1Mode(msgspec.Struct, frozen=True):
    """What follows a request: `start` once, then `repeat` for ever, with a pause after each; nothing where empty.

    `reads`: it goes on reading. `resets`: it then resets the connection.
    """

    start: bytes = b""
    repeat: bytes = b""
    pause_s: float = 0.0
    reads: bool = True
    resets: bool = False


class Http2Mode(msgspec.Struct, frozen=True):
    """What follows the headers of a request on its stream, and on the connection: `start` once, then `repeat` for ever.

    `body_bytes` are the bytes of `repeat` that flow control counts. `settings` open the connection. `stops`: it reads
    nothing more once a request has come.
    """

    start: Callable[[int], bytes] = lambda _: b""
    repeat: Callable[[int], bytes] = lambda _: b""
    pause_s: float = 0.0
    reads: bool = True
    body_bytes: int = 0
    settings: bytes = h2.frame(h2.SETTINGS, 0)
    stops: bool = False


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"transfer-encoding: chunked\r\n\r\n"

HTTP1: Mapping[str, Http1Mode] = {
    "idle": Http1Mode(_OK + b"content-length: 0\r\n\r\n"),
    "stuck": Http1Mode(reads=False),
    "silent": Http1Mode(),
    "drip": Http1Mode(_OK + b"\r\n", b"x", pause_s=0.05),
    "header drip": Http1Mode(_OK, b"x: y\r\n", pause_s=0.05),
    "endless body": Http1Mode(_OK + b"\r\n", b"x" * REPEAT_BYTES),
    "tiny chunks": Http1Mode(_CHUNKED, b"1\r\nx\r\n"),
    "1xx flood": Http1Mode(b"", b"HTTP/1.1 102 P\r\n\r\n"),
    "many headers": Http1Mode(_OK, b"x: y\r\n"),
    "huge header": Http1Mode(_OK + b"x: ", b"y" * REPEAT_BYTES),
    "endless trailers": Http1Mode(_CHUNKED + b"0\r\n", b"x: y\r\n"),
    "unasked answers": Http1Mode(_OK + b"content-length: 0\r\n\r\n", _OK + b"content-length: 0\r\n\r\n"),
    "reset": Http1Mode(_OK + b"content-length: 9\r\n\r\nx", resets=True),
    "TLS alert": Http1Mode(_TLS_ALERT, resets=True),
}

HTTP2: Mapping[str, Http2Mode] = {
    "idle": Http2Mode(lambda stream: h2.headers(stream, flags=h2.END_HEADERS | h2.END_STREAM)),
    "stuck": Http2Mode(reads=False),
    "silent": Http2Mode(),
    "zero window": Http2Mode(settings=h2.initial_window(0)),
    "wide window": Http2Mode(settings=h2.initial_window(h2.MAX_WINDOW) + h2.widened(h2.MAX_WINDOW), stops=True),
    "drip": Http2Mode(h2.headers, lambda stream: h2.frame(h2.DATA, stream, b"x"), 0.05, body_bytes=1),
    "endless body": Http2Mode(
        h2.headers, lambda stream: h2.frame(h2.DATA, stream, b"x" * (1 << 14)), body_bytes=1 << 14
    ),
    "tiny frames": Http2Mode(h2.headers, lambda stream: h2.frame(h2.DATA, stream, b"x"), body_bytes=1),
    "empty frames": Http2Mode(h2.headers, lambda stream: h2.frame(h2.DATA, stream)),
    "1xx flood": Http2Mode(repeat=lambda stream: h2.headers(stream, h2.STATUS_102)),
    "many headers": Http2Mode(
        lambda stream: h2.headers(stream, flags=0),
        lambda stream: h2.frame(h2.CONTINUATION, stream, h2.UNKNOWN_HEADER),
    ),
    "settings flood": Http2Mode(repeat=lambda _: h2.frame(h2.SETTINGS, 0)),
    "ping flood": Http2Mode(repeat=lambda _: h2.frame(h2.PING, 0, b"mirrored")),
    "window flood": Http2Mode(repeat=lambda _: h2.frame(h2.WINDOW_UPDATE, 0, h2.uint32(1))),
    "priority flood": Http2Mode(repeat=lambda stream: h2.frame(h2.PRIORITY, stream, h2.uint32(0) + b"\x10")),
    "reset flood": Http2Mode(repeat=lambda stream: h2.frame(h2.RST_STREAM, stream, h2.uint32(8))),
    "goaway flood": Http2Mode(repeat=h2.goaway),
}


class Http1Connection:
    """One connection of a target that speaks HTTP/1.1."""

    def __init__(self, connection: socket.socket, mode: Http1Mode) -> None:
        self._connection, self._mode = connection, mode

    async def run(self) -> None:
        """Wait for a request, then misbehave until the proxy gives up."""
        loop, mode, received = asyncio.get_running_loop(), self._mode, b""
        if not mode.reads:
            await asyncio.Event().wait()
        while True:
            while b"\r\n\r\n" not in received:
                received += await _read(self._connection)
            received = b""
            await loop.sock_sendall(self._connection, mode.start)
            if mode.resets:
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                return
            if mode.repeat:
                await asyncio.gather(self._repeat(), self._drain())

    async def _repeat(self) -> None:
        times = 1 if self._mode.pause_s else -(-REPEAT_BYTES // len(self._mode.repeat))
        block = self._mode.repeat * times
        while True:
            await asyncio.get_running_loop().sock_sendall(self._connection, block)
            await asyncio.sleep(self._mode.pause_s)

    async def _drain(self) -> None:
        while True:
            await _read(self._connection)


class Http2Connection:
    """One connection of a target that speaks HTTP/2; flow control is kept, or the proxy would close it at once."""

    def __init__(self, connection: socket.socket, mode: Http2Mode) -> None:
        self._connection, self._mode = connection, mode
        self._writing = asyncio.Lock()
        self._initial, self._window = h2.INITIAL_WINDOW, h2.INITIAL_WINDOW
        self._streams: dict[int, int] = {}
        self._opened = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Read frames, and misbehave on every stream that is opened."""
        if not self._mode.reads:
            await asyncio.Event().wait()
        try:
            await self._write(self._mode.settings)
            await self._read_frames()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _read_frames(self) -> None:
        received = bytearray()
        while len(received) < len(h2.PREFACE):
            received += await _read(self._connection)
        del received[: len(h2.PREFACE)]
        while True:
            while len(received) >= h2.HEAD_BYTES:
                end = h2.HEAD_BYTES + int.from_bytes(received[:3])
                if len(received) < end:
                    break
                stream = int.from_bytes(received[5:9]) & 0x7FFFFFFF
                await self._receive(received[3], received[4], stream, bytes(received[h2.HEAD_BYTES : end]))
                del received[:end]
            if self._mode.stops and self._streams:
                await asyncio.Event().wait()
            received += await _read(self._connection)

    async def _receive(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == h2.SETTINGS and not flags & h2.ACK:
            self._initial = h2.parse_initial_window(payload) or self._initial
            await self._write(h2.frame(h2.SETTINGS, 0, flags=h2.ACK))
        elif kind == h2.HEADERS:
            self._streams[stream] = self._initial
            self._tasks.add(asyncio.create_task(self._misbehave(stream)))
        elif kind == h2.RST_STREAM:
            self._streams.pop(stream, None)
            self._opened.set()
        elif kind == h2.WINDOW_UPDATE:
            self._widen(stream, int.from_bytes(payload))

    def _widen(self, stream: int, by: int) -> None:
        if not stream:
            self._window += by
        elif stream in self._streams:
            self._streams[stream] += by
        self._opened.set()

    async def _misbehave(self, stream: int) -> None:
        with suppress(OSError):
            await self._write(self._mode.start(stream))
            repeat = self._mode.repeat(stream)
            while repeat and stream in self._streams:
                times = 1 if self._mode.pause_s else -(-REPEAT_BYTES // len(repeat))
                if self._mode.body_bytes:
                    times = await self._take(stream, times)
                await self._write(repeat * times)
                await asyncio.sleep(self._mode.pause_s)

    async def _take(self, stream: int, times: int) -> int:
        """Take from the windows what up to `times` frames need; return for how many that is enough."""
        size = self._mode.body_bytes
        while (fit := min(times, self._window // size, self._streams.get(stream, size) // size)) == 0:
            self._opened.clear()
            await self._opened.wait()
        self._window -= fit * size
        if stream in self._streams:
            self._streams[stream] -= fit * size
        return fit

    async def _write(self, data: bytes) -> None:
        async with self._writing:
            await asyncio.get_running_loop().sock_sendall(self._connection, data)


async def _read(connection: socket.socket) -> bytes:
    data = await asyncio.get_running_loop().sock_recv(connection, _READ_BYTES)
    if not data:
        raise ConnectionResetError
    return data


async def _accept(listener: socket.socket, treat: Callable[[socket.socket], Awaitable[None]]) -> None:
    async def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            await treat(connection)

    tasks: set[asyncio.Task[None]] = set()
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        connection.setblocking(False)
        task = asyncio.create_task(serve(connection))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def _listen() -> socket.socket:
    listener = socket.socket()
    listener.setblocking(False)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


async def serve_all() -> None:
    """Serve every mode on a port of its own; write the ports to standard output, by protocol and mode."""
    ports: dict[str, dict[str, int]] = {"http1": {}, "http2": {}}
    async with asyncio.TaskGroup() as group:
        for name, mode1 in HTTP1.items():
            listener = _listen()
            ports["http1"][name] = listener.getsockname()[1]
            group.create_task(_accept(listener, lambda c, mode=mode1: Http1Connection(c, mode).run()))
        for name, mode2 in HTTP2.items():
            listener = _listen()
            ports["http2"][name] = listener.getsockname()[1]
            group.create_task(_accept(listener, lambda c, mode=mode2: Http2Connection(c, mode).run()))
        print(json.dumps(ports), flush=True)


if __name__ == "__main__":
    os.nice(19)
    asyncio.run(serve_all())
