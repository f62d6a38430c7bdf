"""A server that answers 200 and records the requested paths by host. It is several times as fast as `Workload`, which
measures bodies and echoes; only for HTTP/1.1 requests without bodies."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_END = b"\r\n\r\n"
_HTTP2 = b"PRI * HTTP/2.0"
_HOST = b"\r\nhost: "


class PathCounter:
    """A port, and the requested paths by host (`a:8000`), in order of arrival."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.paths: defaultdict[str, list[str]] = defaultdict(list)

    def count(self, host: str) -> int:
        """The number of requests for a host."""
        return len(self.paths[host])


@asynccontextmanager
async def counting_server(name: str) -> AsyncIterator[PathCounter]:
    """Serve until the block ends."""
    tally = PathCounter(name)
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: _Counting(tally), "127.0.0.1", 0) as server:
        tally.port = server.sockets[0].getsockname()[1]
        yield tally


class _Counting(asyncio.Protocol):
    def __init__(self, tally: PathCounter) -> None:
        self._paths = tally.paths
        self._answer = f"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-workload: {tally.name}\r\n\r\n".encode()
        self._in = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, chunk: bytes) -> None:
        assert self._transport is not None
        self._in += chunk
        while (end := self._in.find(_END)) >= 0:
            head, self._in = self._in[:end], self._in[end + len(_END) :]
            if head.startswith(_HTTP2):  # not supported here: the client sees the connection close
                self._transport.close()
                return
            self._paths[_host(head)].append(head.split(b" ", 2)[1].decode())
            self._transport.write(self._answer)


def _host(head: bytes) -> str:
    start = head.lower().index(_HOST) + len(_HOST)
    return head[start:].partition(b"\r")[0].decode()
