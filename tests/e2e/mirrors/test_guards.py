"""Mirrors never affect production: whatever the target does, every request is answered and no copy stays in flight."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import repeat
from pathlib import Path

import aiohttp
import msgspec
import pytest

from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.stuck_servers import never_reading
from mirrorplane.controlplane.playground.workload import Workload
from tests.controlplane.playground.hostile_servers import blackholed, reading_slowly, resetting
from tests.controlplane.playground.ports import held_ports
from tests.e2e.support.manifests import (
    DEADLINE_S,
    findings,
    join_manifests,
    mesh_config,
    route,
    versions,
    virtual_service,
)
from tests.e2e.support.sidecars import Sidecar, sidecar

pytestmark = pytest.mark.envoy

KIB, MIB = 1 << 10, 1 << 20
LARGE = 64 * MIB
SMALL_REQUESTS = 50
CONCURRENT_UPLOADS = (*repeat(MIB, 30), *repeat(900 * KIB, 20))
"""Sizes of uploads that run at once. 1 MiB is the largest body that is copied."""

HANG_S = 5.0
PORT = 8000


@asynccontextmanager
async def refusing() -> AsyncIterator[int]:
    with held_ports(1) as (port,):
        yield port


@asynccontextmanager
async def on_port(stuck: Callable[[], AbstractAsyncContextManager[object]]) -> AsyncIterator[int]:
    async with stuck() as server:
        yield server.port  # type: ignore[attr-defined]


TARGETS: Mapping[str, Callable[[], AbstractAsyncContextManager[int]]] = {
    "stuck": partial(on_port, never_reading),
    "slow": partial(on_port, partial(reading_slowly, KIB)),
    "resetting": partial(on_port, resetting),
    "blackholed": partial(on_port, blackholed),
    "refusing": refusing,
}
HTTP2_TARGETS = ("stuck", "slow", "resetting")
"""The other targets never get as far as speaking HTTP."""

MISSING = {
    "service without pods": ({"host": "empty"}, "spec.http[0].mirror.host"),
    "missing subset": ({"host": "web", "subset": "v9"}, "spec.http[0].mirror.subset"),
    "missing port": ({"host": "web", "port": {"number": 9}}, "spec.http[0].mirror.port.number"),
    "missing host": ({"host": "nowhere"}, "spec.http[0].mirror.host"),
}
"""A mirror, and the field of the expected finding."""


class Web(msgspec.Struct, frozen=True):
    """A service `web` behind a sidecar, whose mirror will misbehave."""

    stage: Stage
    sidecar: Sidecar
    live: Workload
    client: aiohttp.ClientSession

    async def mirror_to(self, mirror: Mapping[str, object]) -> None:
        rule = {"route": route(("web", "", 1)), "mirror": dict(mirror)}
        await self.stage.apply(virtual_service("web", rule))

    async def send_small_requests(self) -> None:
        for i in range(SMALL_REQUESTS):
            url = f"http://web:{PORT}/anything/{i}"
            async with self.client.get(url, proxy=self.sidecar.proxy) as answer:
                assert (answer.status, answer.headers["X-Workload"]) == (200, "live")

    async def upload(self, size: int) -> None:
        """Upload random bytes in chunks; the workload's checksum must be equal."""
        digest = hashlib.sha256()

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, size, 64 * KIB):
                piece = os.urandom(min(64 * KIB, size - start))
                digest.update(piece)
                yield piece

        async with self.client.post(f"http://web:{PORT}/post", data=pieces(), proxy=self.sidecar.proxy) as answer:
            assert answer.status == 200
            reply = await answer.json()
        assert (reply["size"], reply["sha256"]) == (size, digest.hexdigest())


@pytest.fixture
async def web(stage: Stage) -> AsyncIterator[Web]:
    connector = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=60)
    async with (
        Workload("live", recording=False) as live,
        aiohttp.ClientSession(connector=connector, timeout=patience) as client,
    ):
        config = mesh_config({"mirroring": {"guards": {"deadline": "2s"}}})
        await stage.apply(join_manifests(config, service("web", PORT), versions("web", [live.port])))
        yield Web(stage, await sidecar(stage, PORT), live, client)


@pytest.mark.parametrize(
    ("target", "port_name"),
    [*((target, "http") for target in TARGETS), *((target, "http2-x") for target in HTTP2_TARGETS)],
)
async def test_a_misbehaving_mirror_target_never_affects_a_request(web: Web, target: str, port_name: str) -> None:
    async with TARGETS[target]() as port:
        await web.stage.apply(join_manifests(service("bad", PORT, port_name), versions("bad", [port], port_name)))
        await web.mirror_to({"host": "bad"})
        await _run_uploads(web)
        assert await _copies(web, "upstream_rq_total|upstream_cx_connect_fail|upstream_rq_pending_total") > 0
        await _wait_until_no_copy_is_in_flight(web)
    assert findings(web.stage) == ()


@pytest.mark.parametrize(("mirror", "path"), MISSING.values(), ids=MISSING.keys())
async def test_a_missing_mirror_target_never_affects_a_request_and_is_reported(
    web: Web, mirror: Mapping[str, object], path: str
) -> None:
    await web.stage.apply(service("empty", PORT))
    await web.mirror_to(mirror)
    await _run_uploads(web)
    await _wait_until_no_copy_is_in_flight(web)
    (finding,) = findings(web.stage)
    assert (finding.about.name, finding.path) == ("web", path)
    field = path.rpartition(".")[2]
    line = Path(finding.file).read_text().splitlines()[finding.line - 1]
    assert Path(finding.file).parent == web.stage.folder
    assert line.strip() == f"{field}: {_value(mirror, path)}"


async def test_without_the_guards_a_stuck_target_hangs_the_upload(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that the tests above can fail."""
    monkeypatch.setattr("mirrorplane.translators.parts.mirror_guards.guard", lambda *_: None)
    async with never_reading() as stuck:
        await web.stage.apply(join_manifests(service("bad", PORT), versions("bad", [stuck.port])))
        await web.mirror_to({"host": "bad"})
        await web.send_small_requests()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HANG_S):
                await web.upload(LARGE)
        assert stuck.accepted > 0


async def _run_uploads(web: Web) -> None:
    await web.send_small_requests()
    await web.upload(LARGE)
    async with asyncio.TaskGroup() as group:
        for size in CONCURRENT_UPLOADS:
            group.create_task(web.upload(size))
    await web.send_small_requests()


async def _copies(web: Web, counters: str) -> int:
    """Sum up the counters of all mirrors' clusters whose name ends as the expression says."""
    stats = await web.sidecar.envoy.stats(rf"^cluster\.mirror.*\.({counters})$")
    return sum(stats.values())


async def _wait_until_no_copy_is_in_flight(web: Web) -> None:
    """Wait until no copy is in flight or waiting for a connection."""
    async with asyncio.timeout(DEADLINE_S):
        while await _copies(web, "upstream_rq_active|upstream_rq_pending_active"):
            await asyncio.sleep(0.1)


def _value(mirror: Mapping[str, object], path: str) -> object:
    """Look up the field of a mirror that a path names, `spec.http[0].mirror.port.number`."""
    value: object = mirror
    for key in path.partition(".mirror.")[2].split("."):
        assert isinstance(value, Mapping)
        value = value[key]
    return value
