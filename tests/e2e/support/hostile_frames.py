"""HTTP/2 frames by hand (RFC 9113), because no library sends what a hostile server sends."""

import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
INITIAL_WINDOW = 65535
MAX_WINDOW = (1 << 31) - 1
_INITIAL_WINDOW_SIZE = 4

STATUS_200 = b"\x88"  # HPACK's static table, entry 8
STATUS_102 = b"\x08\x03102"  # a literal under the name of entry 8, which the decoder is not to remember
UNKNOWN_HEADER = b"\x00\x01x\x7f\x81\x07" + b"a" * 1024  # a literal header `x`; its length is 127 + 0x01 + (0x07 << 7)


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """Return a frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(stream: int, block: bytes = STATUS_200, flags: int = END_HEADERS) -> bytes:
    """Return a HEADERS frame; its block is HPACK."""
    return frame(HEADERS, stream, block, flags)


def initial_window(size: int) -> bytes:
    """Return a SETTINGS frame that sets the window of new streams."""
    return frame(SETTINGS, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, size))


def parse_initial_window(settings: bytes) -> int | None:
    """Return the window of new streams that a SETTINGS payload asks for; None if it does not mention it."""
    pairs = dict(struct.iter_unpack(">HI", settings))
    return pairs.get(_INITIAL_WINDOW_SIZE)


def widened(window: int) -> bytes:
    """Return a WINDOW_UPDATE frame that widens the connection's initial window to this one."""
    return frame(WINDOW_UPDATE, 0, uint32(window - INITIAL_WINDOW))


def goaway(last_stream: int) -> bytes:
    """Return a GOAWAY without an error."""
    return frame(GOAWAY, 0, struct.pack(">II", last_stream, 0))


def uint32(value: int) -> bytes:
    """Return four bytes: an error code, a window's increment."""
    return struct.pack(">I", value)
