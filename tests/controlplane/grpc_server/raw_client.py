"""A gRPC client of a few bytes that can break its connection at any moment, which a real one never does."""

import socket
import struct

_HEADERS, _DATA, _SETTINGS = 1, 0, 4
_END_HEADERS, _NONE = 4, 0


def call(port: int, method: str, message: bytes) -> socket.socket:
    """Open a connection, call a method and send one message."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "test",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = b"".join(b"\x00%b%b" % (_text(name), _text(value)) for name, value in headers.items())
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + _frame(_SETTINGS, _NONE, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, 1, block)
        + _frame(_DATA, _NONE, 1, struct.pack(">BI", 0, len(message)) + message)
    )
    return connection


def reset(connection: socket.socket) -> None:
    """Break a connection, as a client does that is killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()
