"""Stand-ins for the container images of the tutorials: what they answer and log, as far as the tutorials use it."""

import asyncio
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from time import perf_counter
from typing import Any

from aiohttp import web

LISTENS = re.compile(r"listen\((\d+)\)")
LINGER_S = 0.2


class Container(ABC):
    """A server on the address of its Pod and the port of its container's command.

    `request_headers` are the headers of each request that it received.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.port = self.port_of(spec)
        self.log: list[str] = []
        self.request_headers: list[dict[str, str]] = []

    async def start(self, address: str) -> None:
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=LINGER_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, address, self.port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    def clear_log(self) -> None:
        """Clear the log."""
        self.log, self.request_headers = [], []

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.request_headers.append({name.lower(): value for name, value in request.headers.items()})
        return await self.answer(request)

    @abstractmethod
    def port_of(self, spec: Mapping[str, Any]) -> int:
        """Return the port given in the container's command."""

    @abstractmethod
    async def answer(self, request: web.BaseRequest) -> web.Response: ...


class Pipy(Container):
    """`pipy().listen(8080).serveHTTP(msg=>(console.log(msg.head),msg))`: it logs the head and echoes the body."""

    def port_of(self, spec: Mapping[str, Any]) -> int:
        match = LISTENS.search(" ".join(spec["command"]))
        assert match is not None, spec
        return int(match[1])

    async def answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        names = {raw.decode().lower(): raw.decode() for raw, _ in request.raw_headers}
        now = datetime.now(UTC).isoformat(sep=" ", timespec="milliseconds").partition("+")[0]
        head = (
            f'protocol: "HTTP/1.1", headers: {json.dumps(self.request_headers[-1])}, headerNames: {json.dumps(names)}'
        )
        request_line = (
            f'method: "{request.method}", scheme: undefined, authority: undefined, path: "{request.raw_path}"'
        )
        self.log.append(f"{now} [INF] {{ {head}, {request_line} }}")
        return web.Response(body=body)


class GoHttpbin(Container):
    """`go-httpbin -port 8080`: it answers `/headers`, and logs each request with its status."""

    def port_of(self, spec: Mapping[str, Any]) -> int:
        arguments: Sequence[str] = spec["args"]
        return int(arguments[arguments.index("-port") + 1])

    async def answer(self, request: web.BaseRequest) -> web.Response:
        started = perf_counter()
        is_known = request.path == "/headers" and request.method == "GET"
        headers = {name.title(): [value] for name, value in self.request_headers[-1].items()}
        text = json.dumps({"headers": headers}, indent=2) if is_known else "404 page not found\n"
        answer = web.Response(text=text, status=HTTPStatus.OK if is_known else HTTPStatus.NOT_FOUND)
        fields = {
            "time": f'"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"',
            "status": answer.status,
            "method": f'"{request.method}"',
            "uri": f'"{request.raw_path}"',
            "size_bytes": len(text),
            "duration_ms": f"{(perf_counter() - started) * 1000:.2f}",
            "user_agent": json.dumps(self.request_headers[-1].get("user-agent", "")),
            "client_ip": self.request_headers[-1].get("x-forwarded-for", request.remote),
        }
        self.log.append(" ".join(f"{name}={value}" for name, value in fields.items()))
        return answer


IMAGES = {"flomesh/pipy": Pipy, "docker.io/mccutchen/go-httpbin": GoHttpbin}
IDLE = frozenset(("curlimages/curl", "gcr.io/solo-public/docs/hey"))
"""Containers that only sleep: the tutorials exec into them, the tests do not."""


def container_for(spec: Mapping[str, Any]) -> Container | None:
    """Return the stand-in for a container, None for one that only sleeps. Raises KeyError for an unknown image."""
    image = spec["image"].partition(":")[0]
    return None if image in IDLE else IMAGES[image](spec)


async def curl(*arguments: str) -> str:
    """Run curl and return its output."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "60", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()
