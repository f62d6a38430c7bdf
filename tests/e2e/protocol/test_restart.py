"""Restarts of the control plane, graceful or by kill -9: no request fails, and nothing is pushed again."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.proxy import EnvoyProcess, tied
from mirrorplane.controlplane.playground.stage import Stage
from tests.controlplane.playground.ports import held_ports
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.support.counting_server import PathCounter, counting_server
from tests.e2e.support.http_load import LoadCounts, direct_request, flood, proxy_request, steady_load
from tests.e2e.support.manifests import (
    DEADLINE_S,
    NO_ACCESS_LOG,
    destination_rule,
    join_manifests,
    route,
    until,
    until_copied,
    versions,
    virtual_service,
)
from tests.e2e.support.sidecars import PROXY_PORT, sidecar, sleeper

pytestmark = pytest.mark.envoy

PORT = 8000
TYPES = 4  # clusters, endpoints, listeners, routes
REQUESTS_MEANWHILE = 100
"""How many requests are answered while the control plane is away."""


class World(msgspec.Struct, frozen=True):
    """A service `web` with two versions, and its mirror `copy`."""

    v1: PathCounter
    v2: PathCounter
    copy: PathCounter

    def manifests(self) -> str:
        return join_manifests(
            NO_ACCESS_LOG,
            service("web", PORT),
            versions("web", [self.v1.port, self.v2.port]),
            service("copy", PORT),
            versions("copy", [self.copy.port]),
            destination_rule("web", {"v1": "v1", "v2": "v2"}),
            self.rules("v1"),
        )

    def rules(self, version: str) -> str:
        """Rules that route requests to a version, and mirror them to `copy`."""
        return virtual_service("web", {"route": route(("web", version, 1)), "mirror": {"host": "copy"}})

    async def check(self, address: str, version: str) -> None:
        """Send a request; check the version that answers, and that the copy arrives."""
        self.copy.paths.clear()

        async def send() -> None:
            (answer,) = await flood((address, PROXY_PORT), [proxy_request(f"web:{PORT}", "/check")], connections=1)
            assert (answer.status, answer.workload) == (200, version)

        await until_copied(send, lambda: "/check" in self.copy.paths[f"web-shadow:{PORT}"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(*[await stack.enter_async_context(counting_server(name)) for name in ("v1", "v2", "copy")])


def steady_requests(address: str) -> contextlib.AbstractAsyncContextManager[LoadCounts]:
    """Requests through the HTTP proxy and through the service's port."""
    return steady_load(
        [((address, PROXY_PORT), proxy_request(f"web:{PORT}")), ((address, PORT), direct_request("web"))]
    )


@PROTOCOLS
async def test_a_restart_fails_no_request_and_pushes_nothing_again(stage: Stage, world: World, delta: bool) -> None:
    await stage.apply(world.manifests())
    envoy = await sidecar(stage, PORT, delta=delta)
    async with steady_requests(envoy.address) as load:
        for _ in range(2):
            await stage.stop()
            await _until_answered_without_control_plane(envoy.envoy, load)
            await world.check(envoy.address, "v1")
            await stage.start()
            await _wait_until_reconnected(stage)
            assert _pushes(stage) == [0] * TYPES
            await world.check(envoy.address, "v1")
    assert (dict(load.failed), load.answered) == ({}, load.sent)


@PROTOCOLS
async def test_only_what_changed_during_a_restart_is_pushed(stage: Stage, world: World, delta: bool) -> None:
    await stage.apply(world.manifests())
    envoy = await sidecar(stage, PORT, delta=delta)
    async with steady_requests(envoy.address) as load:
        await stage.stop()
        rules = next(path for path in stage.folder.iterdir() if "VirtualService" in path.name)
        stage.write(rules.name, world.rules("v2"))
        await world.check(envoy.address, "v1")
        await stage.start()
        await _wait_until_reconnected(stage)
        await world.check(envoy.address, "v2")
        routes_only = sorted(_pushes(stage))
        assert routes_only[:-1] == [0] * (TYPES - 1)
        assert routes_only[-1] >= 1
    assert (dict(load.failed), load.answered) == ({}, load.sent)


@PROTOCOLS
async def test_what_was_deleted_during_a_restart_is_removed_and_fails_no_request(
    stage: Stage, world: World, delta: bool
) -> None:
    await stage.apply(world.manifests())
    await stage.apply(join_manifests(service("old", PORT), virtual_service("old", {"route": route(("old", "", 1))})))
    envoy = await sidecar(stage, PORT, delta=delta)
    assert any("old." in name for name in await envoy.envoy.clusters())
    async with steady_requests(envoy.address) as load:
        await stage.stop()
        for path in list(stage.folder.iterdir()):
            if path.name.endswith(" old.yaml"):
                path.unlink()
        await stage.start()
        await _wait_until_reconnected(stage)
        async with asyncio.timeout(DEADLINE_S):
            while any("old." in name for name in await envoy.envoy.clusters()):
                await asyncio.sleep(0.1)
        await world.check(envoy.address, "v1")
    assert (dict(load.failed), load.answered) == ({}, load.sent)


@PROTOCOLS
async def test_kill_9_of_the_real_command_fails_no_request(
    tmp_path: Path, world: World, client: aiohttp.ClientSession, delta: bool
) -> None:
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "mesh.yaml").write_text(world.manifests())
    proxy = sleeper(PORT)
    with held_ports(2) as (xds, admin):
        command = [sys.executable, "-m", "mirrorplane.controlplane.cli", "serve", "-f", str(folder)]
        command += ["--xds-address", f"127.0.0.1:{xds}", "--admin-address", f"127.0.0.1:{admin}"]
        envoy = EnvoyProcess(bootstrap(proxy, XdsAddress("127.0.0.1", xds, delta=delta)))
    proxies = f"http://127.0.0.1:{admin}/debug/proxies"
    with _running(command) as process:
        await _wait_for_answer(client, proxies)
        async with envoy, steady_requests(proxy.ip) as load:
            await _settled_pushes(client, proxies)
            await world.check(proxy.ip, "v1")
            process.send_signal(signal.SIGKILL)
            process.wait()
            await _until_answered_without_control_plane(envoy, load)
            await world.check(proxy.ip, "v1")
            with _running(command):
                assert await _settled_pushes(client, proxies) == [0] * TYPES
                (folder / "mesh.yaml").write_text(join_manifests(world.manifests().replace("subset: v1", "subset: v2")))
                await _wait_for_push(client, proxies)
                await world.check(proxy.ip, "v2")
    assert (dict(load.failed), load.answered) == ({}, load.sent)


async def _wait_until_reconnected(stage: Stage) -> None:
    """Wait until the proxy is connected and has subscribed to everything again."""
    await until(lambda: any(len(s.types) == TYPES for s in stage.app.xds.statuses()), "the proxy is back")
    await stage.settled()


async def _until_answered_without_control_plane(envoy: EnvoyProcess, load: LoadCounts) -> None:
    """Wait until Envoy has lost the control plane, and has answered requests since."""

    async def disconnected() -> bool:
        return await envoy.counter("control_plane.connected_state") == 0

    await envoy.until("disconnected from the control plane", disconnected)
    before = load.answered
    await until(lambda: load.answered >= before + REQUESTS_MEANWHILE, "requests were answered")


def _pushes(stage: Stage) -> list[int]:
    (stream,) = list(stage.app.xds.statuses())
    return [t.pushes for t in stream.types]


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(tied(*command), stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _wait_for_answer(client: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    """Send requests until one is answered."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with client.get(url) as answer:
                    return list(json.loads(await answer.read()))
            await asyncio.sleep(0.05)


async def _settled_pushes(client: aiohttp.ClientSession, url: str) -> list[int]:
    """Wait until the only proxy is synced; return the number of pushes of each type."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            streams = await _wait_for_answer(client, url)
            types = list(streams[0]["types"].values()) if streams else []
            if len(types) == TYPES and all(t["synced"] for t in types):
                return [t["pushes"] for t in types]
            await asyncio.sleep(0.05)


async def _wait_for_push(client: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not any(await _settled_pushes(client, url)):
            await asyncio.sleep(0.05)
