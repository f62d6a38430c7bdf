"""A mesh whose service `web` has a mirror for every way to misbehave, behind a sidecar and a router."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec

from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.proxy import EnvoyProcess, tied
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.controlplane.playground.hostile_servers import blackholed
from tests.e2e.support.edge_router import edge_virtual_service, gateway, router, server
from tests.e2e.support.hostile_servers import HTTP1, HTTP2
from tests.e2e.support.manifests import DEADLINE_S, join_manifests, mesh_config, route, versions, virtual_service
from tests.e2e.support.sidecars import sidecar

PORT, EDGE_PORT = 8000, 18080
EDGE_HOST = "web.example.com"
DEADLINE = "1s"
EIGHT = (
    *(f"http1 {mode}" for mode in ("endless body", "1xx flood", "tiny chunks", "silent")),
    *(f"http2 {mode}" for mode in ("endless body", "1xx flood", "tiny frames", "goaway flood")),
)
_TCP_HOLE = "http1 SYN hole"
TARGETS = (*(f"http1 {mode}" for mode in HTTP1), _TCP_HOLE, *(f"http2 {mode}" for mode in HTTP2))
_ROOT = Path(__file__).parents[3]
_ADMIN_NAME = re.compile(r"[^a-z0-9]+")


class Slices(msgspec.Struct, frozen=True):
    """Latencies of a neighbour's requests, in seconds: a list for each slice of time."""

    latencies: list[list[float]]

    @property
    def p99(self) -> float:
        """The median of the slices' 99th percentiles: one slice in which the machine was busy does not count."""
        return median(sorted(slice_)[len(slice_) * 99 // 100] for slice_ in self.latencies)


class HostileMesh(msgspec.Struct, frozen=True):
    """A proxy with one worker; `web`, whose requests it copies, is `host` at `address`."""

    envoy: EnvoyProcess
    address: tuple[str, int]
    host: str

    async def send(self, path: str, body: bytes = b"", times: int = 1) -> list[float]:
        """Send requests over a connection, one after the other, and assert 200; return how long each took."""
        reader, writer = await asyncio.open_connection(*self.address)
        head = f"POST {path} HTTP/1.1\r\nhost: {self.host}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        latencies = []
        try:
            for _ in range(times):
                started = perf_counter()
                writer.write(head + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 200 "), answer
                length = re.search(rb"content-length: (\d+)", answer)
                assert length is not None, answer
                await reader.readexactly(int(length[1]))
                latencies.append(perf_counter() - started)
        finally:
            writer.close()
        return latencies

    async def copy(self, target: str, times: int = 1, body: bytes = b"x") -> None:
        """Have requests copied to a target, all at once."""
        await asyncio.gather(*(self.send(mirrored_path(target, body), body) for _ in range(times)))

    async def neighbours(self, times: int) -> list[float]:
        """Send requests that are not mirrored."""
        return await self.send("/anything", times=times)

    async def counter(self, target: str, name: str) -> int:
        """Return a counter of the cluster for a target's copies."""
        stats = await self.envoy.stats(rf"^cluster\.mirror\|{PORT}\|\|{slug(target)}\..*\.{name}$")
        return sum(stats.values())

    async def until_quiet(self) -> None:
        """Wait until no copy is in flight, so that one test does not slow down the next."""
        async with asyncio.timeout(DEADLINE_S):
            while any((await self.envoy.stats(r"^cluster\.mirror.*\.upstream_rq_(pending_)?active$")).values()):
                await asyncio.sleep(0.05)

    async def heap_bytes(self) -> int:
        """Return what Envoy has allocated."""
        return int(json.loads(await self.envoy.get("/memory"))["allocated"])


def mirrored_path(target: str, body: bytes = b"") -> str:
    """Return a path that is mirrored to a target, and that the workload answers."""
    return f"{'/post' if len(body) > 1 else '/anything'}?copy={slug(target)}"


def slug(target: str) -> str:
    """Return the name of a target's service."""
    return _ADMIN_NAME.sub("-", target.lower())


@asynccontextmanager
async def hostile_meshes(folder: Path) -> AsyncIterator[Mapping[str, HostileMesh]]:
    """Start the targets, a control plane, and the proxies `sidecar` and `router`."""
    async with AsyncExitStack() as stack:
        ports = await stack.enter_async_context(_hostile_process())
        hole = await stack.enter_async_context(blackholed())
        live = await stack.enter_async_context(Workload("live", recording=False))
        stage = await stack.enter_async_context(Stage(folder))
        services = [
            join_manifests(service(slug(name), PORT, protocol), versions(slug(name), [port], protocol))
            for name, port in {**ports, _TCP_HOLE: hole.port}.items()
            if (protocol := "http2-x" if name.startswith("http2") else "http")
        ]
        config = mesh_config({"mirroring": {"guards": {"deadline": DEADLINE}}})
        await stage.apply(join_manifests(config, service("web", PORT), versions("web", [live.port]), *services))
        edge = gateway(server(EDGE_PORT, "HTTP", "*"))
        outside = edge_virtual_service("edge", [EDGE_HOST], http=_rules())
        await stage.apply(join_manifests(edge, outside, virtual_service("web", *_rules())))
        side, outer = await sidecar(stage, PORT), await router(stage, EDGE_PORT)
        yield {
            "sidecar": HostileMesh(side.envoy, (side.address, PORT), "web"),
            "router": HostileMesh(outer.envoy, (outer.address, EDGE_PORT), EDGE_HOST),
        }


def _rules() -> list[dict[str, object]]:
    """Return a rule for each target, one for eight of them, and one without a mirror."""
    live = route(("web.default.svc.cluster.local", "", 1))
    mirrored = {slug(target): [target] for target in TARGETS} | {"eight": list(EIGHT)}
    return [
        {
            "match": [{"queryParams": {"copy": {"exact": name}}}],
            "route": live,
            "mirrors": [{"destination": {"host": f"{slug(target)}.default.svc.cluster.local"}} for target in targets],
        }
        for name, targets in mirrored.items()
    ] + [{"route": live}]


@asynccontextmanager
async def _hostile_process() -> AsyncIterator[dict[str, int]]:
    """Run the targets in a process of their own; yield their ports by target."""
    command = tied(sys.executable, "-m", "tests.e2e.support.hostile_servers")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(_ROOT)}
    )
    try:
        assert process.stdout is not None
        ports: dict[str, dict[str, int]] = json.loads(await process.stdout.readline())
        yield {f"{protocol} {mode}": port for protocol, modes in ports.items() for mode, port in modes.items()}
    finally:
        process.kill()
        await process.wait()
