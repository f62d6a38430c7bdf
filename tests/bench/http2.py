"""gRPC streams over plain HTTP/2, just enough to be a thousand cheap clients in one process.

A gRPC library costs the client as much as the server, and would measure itself. This one keeps of a large message only
its end, where the nonce is.
"""

import socket
import struct
from collections.abc import Generator, Iterator
from contextlib import suppress

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
ACK, END_STREAM, END_HEADERS = 1, 1, 4
HEAD = 9
INITIAL_WINDOW = 4  # the identifier of a setting
LARGEST_WINDOW = 2**31 - 1
FRAME = 16384
WINDOW = 65535
RENEW = 1 << 23
WHOLE = 1 << 17
"""Messages up to so many bytes are kept whole; of larger ones the last frame's worth."""

READ = 1 << 20


class Connection:
    """One TCP connection. `open` begins a stream, `send` writes a message, `receive` yields what came.

    All connections of a process may share one buffer to read into, of READ bytes.
    """

    def __init__(self, host: str, port: int, buffer: bytearray) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ended = False
        self.closed: set[int] = set()
        self._buffer = buffer
        self._rest = b""
        self._missing = self._stream = 0
        self._initial = WINDOW
        self._windows = {0: WINDOW}
        self._queues: dict[int, bytes] = {}
        self._inboxes: dict[int, Inbox] = {}
        self._unrenewed: dict[int, int] = {0: 0}
        window_setting = struct.pack(">HI", INITIAL_WINDOW, LARGEST_WINDOW)
        renewal = struct.pack(">I", LARGEST_WINDOW - WINDOW)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        self.socket.sendall(preface + _frame(SETTINGS, 0, 0, window_setting) + _frame(WINDOW_UPDATE, 0, 0, renewal))

    def open(self, number: int, path: str) -> int:
        """Begin the nth stream of the connection; returns its identifier."""
        stream = 2 * number + 1
        self._windows[stream] = self._initial
        self._queues[stream], self._inboxes[stream], self._unrenewed[stream] = b"", Inbox(), 0
        self.socket.sendall(_frame(HEADERS, END_HEADERS, stream, _headers(path)))
        return stream

    def send(self, stream: int, message: bytes) -> None:
        """Write a message, now or when the server's windows allow it."""
        self._queues[stream] += b"\0" + len(message).to_bytes(4) + message
        self._flush(stream)

    def receive(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield the stream, the size and the bytes (or their end) of each message that is complete."""
        try:
            size = self.socket.recv_into(self._buffer, READ, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if not size:
            self.ended = True
            self.closed.update(self._inboxes)
        piece = memoryview(self._buffer)[:size]
        while piece:
            piece = yield from self._data(piece) if self._missing else self._other(piece)

    def _data(self, piece: memoryview) -> Generator[tuple[int, int, bytes], None, memoryview]:
        """Take a piece of the DATA frame that is being read, whole or not."""
        body = piece[: self._missing]
        self._missing -= len(body)
        for size, message in self._inboxes[self._stream].add(body):
            yield self._stream, size, message
        self._renew(self._stream, len(body))
        self._renew(0, len(body))
        return piece[len(body) :]

    def _other(self, piece: memoryview) -> Generator[tuple[int, int, bytes], None, memoryview]:
        """Take the head of a DATA frame, or another frame once it is there as a whole."""
        yield from ()
        head = self._rest + bytes(piece[: HEAD - len(self._rest)])
        if len(head) < HEAD:
            self._rest = head
            return piece[len(piece) :]
        size, kind, flags, stream = int.from_bytes(head[:3]), *struct.unpack_from(">BBI", head, 3)
        if kind == DATA:
            used, self._rest, self._missing, self._stream = HEAD - len(self._rest), b"", size, stream
            return piece[used:]
        used = min(HEAD + size - len(self._rest), len(piece))
        self._rest += bytes(piece[:used])
        if len(self._rest) == HEAD + size:
            self._take(kind, flags, stream, self._rest[HEAD:])
            self._rest = b""
        return piece[used:]

    def _take(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._adopt(dict(struct.iter_unpack(">HI", body)))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(_frame(PING, ACK, 0, body))
        elif kind == WINDOW_UPDATE:
            self._windows[stream] = self._windows.get(stream, self._initial) + int.from_bytes(body)
            for waiting in list(self._queues):
                self._flush(waiting)
        elif kind == HEADERS and flags & END_STREAM:
            self.closed.add(stream)

    def _adopt(self, settings: dict[int, int]) -> None:
        wider = settings.get(INITIAL_WINDOW, self._initial) - self._initial
        self._initial += wider
        for stream in self._queues:
            self._windows[stream] += wider
        self.socket.sendall(_frame(SETTINGS, ACK, 0, b""))
        for stream in self._queues:
            self._flush(stream)

    def _renew(self, stream: int, size: int) -> None:
        self._unrenewed[stream] += size
        if self._unrenewed[stream] >= RENEW:
            self.socket.sendall(_frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", self._unrenewed[stream])))
            self._unrenewed[stream] = 0

    def _flush(self, stream: int) -> None:
        queue = self._queues[stream]
        while queue and (size := min(len(queue), FRAME, self._windows[0], self._windows[stream])) > 0:
            with suppress(BrokenPipeError, ConnectionResetError):  # the server left: `receive` says so
                self.socket.sendall(_frame(DATA, 0, stream, queue[:size]))
            queue = queue[size:]
            self._windows[0] -= size
            self._windows[stream] -= size
        self._queues[stream] = queue


class Inbox:
    """Puts the messages of one stream together from pieces."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._size = 0
        self._missing = 0

    def add(self, piece: memoryview) -> Iterator[tuple[int, bytes]]:
        while piece:
            piece = self._begin(piece) if not self._missing else self._go_on(piece)
            if self._size and not self._missing:
                yield self._size, bytes(self._body)
                self._body.clear()
                self._size = 0

    def _begin(self, piece: memoryview) -> memoryview:
        """Read the head of a message: a flag and its length."""
        short = 5 - len(self._body)
        self._body += piece[:short]
        if len(self._body) == 5:
            self._size = self._missing = int.from_bytes(self._body[1:])
            self._body.clear()
        return piece[short:]

    def _go_on(self, piece: memoryview) -> memoryview:
        now = piece[: self._missing]
        self._missing -= len(now)
        if self._size <= WHOLE or self._missing <= FRAME:
            self._body += now
        return piece[len(now) :]


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + body


def _headers(path: str) -> bytes:
    """POST, http, the path, and what gRPC wants; literals, nothing compressed."""
    plain = {b"content-type": b"application/grpc", b"te": b"trailers"}
    header_block = b"".join(b"\0" + _text(name) + _text(value) for name, value in plain.items())
    return b"\x83\x86\x04" + _text(path.encode()) + b"\x01" + _text(b"localhost") + header_block


def _text(text: bytes) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text
