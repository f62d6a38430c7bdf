"""An httpbin-like HTTP workload that logs as gunicorn does, so that a mesh can be tried and tested without containers.

It runs as a process of its own for the demo (`python -m mirrorplane.controlplane.playground.workload --name v1`), and
inside a test, which can then read what it received. Separate from `stuck_servers`, which misbehave on purpose.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qsl

import click
import msgspec
from aiohttp import web

READS = ("GET", "HEAD")
MAX_DELAY = 10.0  # seconds; httpbin's own limit
MAX_BYTES = 16 * 1024 * 1024
LINGER = 0.2  # seconds that requests in flight are given when the workload stops
PARENT_POLL = 0.5  # seconds
EMPTY_SHA256 = hashlib.sha256().hexdigest()

Sink = Callable[[str], None]


class Received(msgspec.Struct, frozen=True):
    """One request as it arrived. `path` includes the query; header names are lower case, repeated values are joined."""

    method: str
    path: str
    host: str
    headers: Mapping[str, str]
    size: int
    sha256: str
    remote: str


class Endpoint(msgspec.Struct, frozen=True):
    """One of httpbin's paths: its answer to a request and the rest of its path, and its methods (empty: all).

    An answer raises ValueError for a rest that it cannot use.
    """

    answer: Callable[[Received, str], Awaitable[web.Response]]
    methods: tuple[str, ...] = ()


class Workload:
    """A server on one port, and the record of what it received.

    `counts` always counts requests by (host, path). `received` holds every request, but only while `recording` is on:
    it grows without limit, which suits a test and not a benchmark. `aborted` counts requests whose body never arrived
    in full. A request is recorded and logged before it is answered, so a client with an answer can check at once.
    """

    def __init__(self, name: str, port: int = 0, *, recording: bool = True, log: Sink | None = None) -> None:
        self.name = name
        self.address = "127.0.0.1"
        self.port = port
        self.counts: Counter[tuple[str, str]] = Counter()
        self.received: list[Received] = []
        self.aborted = 0
        self._recording = recording
        self._log = log
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> "Workload":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Its base URL, `http://127.0.0.1:8000`."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"

    async def start(self, address: str = "127.0.0.1") -> None:
        """Listen. Port 0 becomes the port that the kernel chose. Raises OSError when the address is taken."""
        self.address = address
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=LINGER)
        await self._runner.setup()
        await web.TCPSite(self._runner, address, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening, and after a moment cut what is still being answered."""
        if self._runner:
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            received = await _receive(request)
        except ConnectionError:
            self.aborted += 1
            raise
        self.counts[received.host, received.path] += 1
        if self._recording:
            self.received.append(received)
        response = await _answer(received)
        response.headers["X-Workload"] = self.name  # tells versions apart behind a proxy that overwrites `server`
        if self._log:
            self._log(access_line(received, response, datetime.now(UTC)))
        return response


def access_line(received: Received, response: web.Response, now: datetime) -> str:
    r"""Write one request as gunicorn's default access log does, plus the Host at the end: it is what mirroring changes.

    Control characters, quotes and non-ASCII that the client sent are escaped (`\n`, `\"`): no client can forge a line.
    """
    size = 0 if received.method == "HEAD" else len(_body(response))
    request_line = f"{_escaped(received.method)} {_escaped(received.path)} HTTP/1.1"
    referer, agent = (_escaped(received.headers.get(name, "-")) for name in ("referer", "user-agent"))
    return (
        f'{received.remote} - - [{now:%d/%b/%Y:%H:%M:%S} +0000] "{request_line}" {response.status} {size} '
        f'"{referer}" "{agent}" host={_escaped(received.host or "-")}'
    )


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1].replace("\x7f", "\\u007f")


def _body(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


async def _receive(request: web.BaseRequest) -> Received:
    size, sha256 = await _consume(request) if request.can_read_body else (0, EMPTY_SHA256)
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    return Received(
        method=request.method,
        path=request.raw_path,
        host=headers.get("host", ""),
        headers=headers,
        size=size,
        sha256=sha256,
        remote=request.remote or "-",
    )


async def _consume(request: web.BaseRequest) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    async for chunk in request.content.iter_any():
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


async def _answer(received: Received) -> web.Response:
    name, _, subpath = received.path.partition("?")[0].removeprefix("/").partition("/")
    endpoint = ENDPOINTS.get(name)
    if endpoint is None:
        return _json({"error": "not found"}, HTTPStatus.NOT_FOUND)
    if endpoint.methods and received.method not in endpoint.methods:
        return _json({"error": f"want {' or '.join(endpoint.methods)}"}, HTTPStatus.METHOD_NOT_ALLOWED)
    try:
        return await endpoint.answer(received, subpath)
    except ValueError as error:
        return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)


async def _index(_received: Received, _subpath: str) -> web.Response:
    return _json({"endpoints": [f"/{name}" for name in ENDPOINTS]})


async def _headers(received: Received, _subpath: str) -> web.Response:
    return _json({"headers": _titled(received)})


async def _ip(received: Received, _subpath: str) -> web.Response:
    return _json({"origin": _origin(received)})


async def _echo(received: Received, _subpath: str) -> web.Response:
    return _json(
        {
            "args": dict(parse_qsl(received.path.partition("?")[2], keep_blank_values=True)),
            "headers": _titled(received),
            "method": received.method,
            "origin": _origin(received),
            "sha256": received.sha256,
            "size": received.size,
            "url": f"http://{received.host}{received.path}",
        }
    )


async def _status(_received: Received, subpath: str) -> web.Response:
    return web.Response(status=int(_number(subpath, 200, 599)))


async def _delay(received: Received, subpath: str) -> web.Response:
    await asyncio.sleep(_number(subpath, 0, MAX_DELAY))
    return await _echo(received, "")


async def _bytes(_received: Received, subpath: str) -> web.Response:
    return web.Response(body=bytes(int(_number(subpath, 0, MAX_BYTES))), content_type="application/octet-stream")


ENDPOINTS: Mapping[str, Endpoint] = {
    "": Endpoint(_index, READS),
    "anything": Endpoint(_echo),
    "bytes": Endpoint(_bytes, READS),
    "delay": Endpoint(_delay),
    "get": Endpoint(_echo, READS),
    "headers": Endpoint(_headers, READS),
    "ip": Endpoint(_ip, READS),
    "post": Endpoint(_echo, ("POST",)),
    "status": Endpoint(_status),
}


def _json(value: object, status: int = HTTPStatus.OK) -> web.Response:
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    return web.Response(body=text.encode(), status=status, content_type="application/json")


def _titled(received: Received) -> dict[str, str]:
    return {name.title(): value for name, value in received.headers.items()}


def _origin(received: Received) -> str:
    return received.headers.get("x-forwarded-for", received.remote)


def _number(text: str, least: float, most: float) -> float:
    number = float(text)
    if not least <= number <= most:
        raise ValueError(f"want a number from {least:g} to {most:g}, not {text}")
    return number


@click.command()
@click.option("--name", required=True, help="The workload's name, for example httpbin-v1.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0 lets the kernel choose.")
@click.option("--quiet", is_flag=True, help="Write no access log.")
def main(name: str, address: str, port: int, quiet: bool) -> None:
    """Serve httpbin's endpoints until SIGTERM, SIGINT or the end of the parent process."""
    workload = Workload(name, port, recording=False, log=None if quiet else _write)
    asyncio.run(_serve_until_stopped(workload, address))


async def _serve_until_stopped(workload: Workload, address: str) -> None:
    stop, parent = asyncio.Event(), os.getppid()  # before the first output: a reader of it may kill the parent
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await workload.start(address)
    pid = os.getpid()
    _write(f"[{datetime.now(UTC):%Y-%m-%d %H:%M:%S} +0000] [{pid}] [INFO] Listening at: {workload.url} ({pid})")
    orphaned = asyncio.create_task(_orphaned(parent))
    orphaned.add_done_callback(lambda _: stop.set())
    await stop.wait()
    orphaned.cancel()
    await workload.stop()


async def _orphaned(parent: int) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel sets no Event
        await asyncio.sleep(PARENT_POLL)


def _write(line: str) -> None:
    # One write per line keeps lines whole; a reader that has gone must not end the workload.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
