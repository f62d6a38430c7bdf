"""The mirroring tutorials of FSM Gateway and of kgateway, step by step with their unchanged manifests."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from mirrorplane.api.hosts import is_ip
from mirrorplane.controlplane.commands.adopted_classes import adopted_controllers
from mirrorplane.controlplane.playground.stage import Stage
from tests import fast_yaml as yaml
from tests.e2e.support.container_images import Container, curl
from tests.e2e.support.kubelet import Cluster
from tests.e2e.support.manifests import nack_messages, until

pytestmark = pytest.mark.envoy

TUTORIALS = Path(__file__).with_name("tutorials")
ROUNDS = 3
COPIED_S = 20.0
"""How long copies may take on a busy machine; a copy that could not connect within a second never arrives."""

HEADERS = re.compile(r'headers: ({.*?}), headerNames: {.*}, method: "(\w+)", .*path: "(.*)" }$')
FLAGS = {
    "fsm": (("flomesh.io/gateway-controller=fsm",), ("fsm",)),
    "kgateway": (("kgateway.dev/kgateway=kgateway",), ()),
}
"""The control plane's flags `--adopt-controller` and `--gateway-class`. FSM's tutorial creates its class itself."""
OF_THE_COPY = {"x-forwarded-for", "x-envoy-internal"}
"""Headers that Envoy alters on a copy."""
LABEL_OF_V1 = [{"op": "add", "path": "/spec/selector/version", "value": "v1"}]
"""The tutorial's patch of the Service."""


def step_manifest(tutorial: str, name: str) -> str:
    """A manifest of a tutorial, unchanged."""
    return (TUTORIALS / tutorial / f"{name}.yaml").read_text()


@asynccontextmanager
async def tutorial_cluster(tutorial: str, folder: Path) -> AsyncIterator[tuple[Stage, Cluster]]:
    async with Stage(folder, given=tuple(adopted_controllers(*FLAGS[tutorial]))) as stage, Cluster(stage) as cluster:
        yield stage, cluster
        assert not nack_messages(stage)


def logged_headers(cluster: Cluster, app: str) -> list[dict[str, str]]:
    """The headers that a Pod of pipy has logged; all requests were POSTs of `/`."""
    [pipy] = cluster.containers("server", app=app)
    matches = [HEADERS.search(line) for line in pipy.log]
    assert all(match is not None and match.groups()[1:] == ("POST", "/") for match in matches), pipy.log
    return [json.loads(match[1]) for match in matches if match is not None]


async def assert_mirrored(ask: Callable[[], Awaitable[None]], count: int, original: Container, copy: Container) -> None:
    """Send `count` requests, and check that both log as many. Repeats if a copy could not connect and was dropped."""
    for _ in range(ROUNDS):
        original.clear_log()
        copy.clear_log()
        for _ in range(count):
            await ask()
        with suppress(AssertionError):
            await until(lambda: len(copy.log) >= count, "all were copied", COPIED_S)
        if len(copy.log) == count:
            break
    assert (len(original.log), len(copy.log)) == (count, count)


def _plain(head: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in head.items() if name not in OF_THE_COPY}


async def test_fsm_gateway(tmp_path: Path):
    async with tutorial_cluster("fsm", tmp_path) as (stage, cluster):
        await _fsm_gateway(stage, cluster)


async def _fsm_gateway(stage: Stage, cluster: Cluster) -> None:
    await cluster.apply(step_manifest("fsm", "1-pipy"), "server")
    assert cluster.pods("server") == ["pipy"]
    await cluster.apply(step_manifest("fsm", "2-gateway"), "server")
    gateway = (await cluster.router("simple-fsm-gateway", "server")).address

    async def hello() -> None:
        assert await curl(f"http://{gateway}:8000/", "-d", "Hello world") == "Hello world"

    await hello()
    [head] = logged_headers(cluster, "pipy")
    sent_headers = {
        "host": f"{gateway}:8000",
        "accept": "*/*",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": "11",
    }
    assert head.items() >= sent_headers.items()
    assert head["user-agent"].startswith("curl/")
    assert is_ip(head["x-forwarded-for"]), "for a client on its own machine Envoy sets the machine's address"

    await cluster.apply(step_manifest("fsm", "3-pipy-mirror"), "server")
    await cluster.apply(step_manifest("fsm", "4-mirror"), "server")
    [pipy], [mirror] = (cluster.containers("server", app=app) for app in ("pipy", "pipy-mirror"))
    await assert_mirrored(hello, 1, pipy, mirror)
    [original], [copy] = logged_headers(cluster, "pipy"), logged_headers(cluster, "pipy-mirror")
    assert original.items() >= sent_headers.items()
    assert _plain(copy) == _plain(original)
    assert copy["x-forwarded-for"].split(",")[0] == original["x-forwarded-for"], "the gateway adds itself to a copy's"

    for kind in ("Pod", "Service"):  # what a user tries next: removing the mirror affects no request
        await cluster.delete(kind, "pipy-mirror", "server")
        for _ in range(5):
            await hello()
    assert [f.reason for f in stage.app.plane.findings.all() if f.about.name == "http-route-sample"] == [
        "BackendNotFound"
    ]
    await cluster.apply(step_manifest("fsm", "3-pipy-mirror"), "server")
    [mirror] = cluster.containers("server", app="pipy-mirror")
    await assert_mirrored(hello, 1, pipy, mirror)


async def test_kgateway(tmp_path: Path):
    async with tutorial_cluster("kgateway", tmp_path) as (_, cluster):
        await _kgateway(cluster)


async def _kgateway(cluster: Cluster) -> None:
    await cluster.apply(step_manifest("kgateway", "0-prerequisites"))
    gateway = (await cluster.router("http", "kgateway-system")).address
    await cluster.patch("Service", "httpbin", "httpbin", LABEL_OF_V1)
    await cluster.apply(step_manifest("kgateway", "1-httpbin2"))
    assert [re.sub(r"-\w{9}-\w{5}$", "", name) for name in cluster.pods("httpbin")] == ["httpbin", "httpbin2"]
    await cluster.apply(step_manifest("kgateway", "2-mirror"))
    v1, v2 = (cluster.containers("httpbin", version=version)[0] for version in ("v1", "v2"))

    async def ask() -> None:
        printed = await curl("-i", f"http://{gateway}:8080/headers", "-H", "host: mirror.example:8080")
        assert printed.startswith("HTTP/1.1 200 OK")
        assert '"mirror.example:8080"' in printed

    await assert_mirrored(ask, 5, v1, v2)
    for line in (*v1.log, *v2.log):
        assert re.match(r'time="[^"]+" status=200 method="GET" uri="/headers" size_bytes=\d+ ', line)
    assert {head["host"] for head in v1.request_headers} == {"mirror.example:8080"}
    assert {head["host"] for head in v2.request_headers} == {"mirror.example-shadow:8080"}
    assert (await curl("-i", f"http://{gateway}:8080/headers")).startswith("HTTP/1.1 404 "), "another domain"

    await cluster.delete("Service", "httpbin2", "httpbin")  # the tutorial's clean-up
    await ask()
    await cluster.delete("Deployment", "httpbin2", "httpbin")
    await ask()
    await asyncio.sleep(0.2)  # a copy that should not be would be on its way
    assert (len(v1.log), len(v2.log)) == (7, 5)
    await cluster.delete("HTTPRoute", "httpbin-mirror", "httpbin")
    answered = await curl("-i", f"http://{gateway}:8080/headers", "-H", "host: mirror.example:8080")
    assert answered.startswith("HTTP/1.1 404 ")


async def test_slices_follow_pods_and_selectors(tmp_path: Path):
    """The stand-in itself: without the tutorial's patch, both versions are behind the first Service."""
    async with tutorial_cluster("kgateway", tmp_path) as (stage, cluster):
        await _slices(stage, cluster)


async def _slices(stage: Stage, cluster: Cluster) -> None:
    await cluster.apply(step_manifest("kgateway", "0-prerequisites"))
    await cluster.apply(step_manifest("kgateway", "1-httpbin2"))

    def behind(service: str) -> int:
        [path] = stage.folder.glob(f"EndpointSlice httpbin {service}-*.yaml")
        endpoint_slice = yaml.safe_load(path.read_text())
        return len(endpoint_slice["endpoints"] or ())

    assert (behind("httpbin"), behind("httpbin2")) == (2, 1)
    await cluster.patch("Service", "httpbin", "httpbin", LABEL_OF_V1)
    assert (behind("httpbin"), behind("httpbin2")) == (1, 1)
    await cluster.delete("Deployment", "httpbin2", "httpbin")
    assert (behind("httpbin"), behind("httpbin2")) == (1, 0)
    assert len(cluster.pods("httpbin")) == 1
