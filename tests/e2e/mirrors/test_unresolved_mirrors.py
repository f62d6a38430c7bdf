"""A mirror whose name DNS never answers delays neither the start of a proxy nor a route."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import pytest

from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.proxy import EnvoyProcess
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, route, versions, virtual_service
from tests.e2e.support.sidecars import PROXY_PORT, sleeper

pytestmark = pytest.mark.envoy

PORT = 8000
LOST = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: lost}
spec:
  hosts: [lost.example.com]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP}]
"""
MIRRORED = {
    "route": route(("web", "", 1)),
    "mirror": {"host": "lost.example.com"},
    "headers": {"response": {"set": {"x-mirrored": "yes"}}},
}


@pytest.fixture
async def live() -> AsyncIterator[Workload]:
    async with Workload("live", recording=False) as live:
        yield live


@contextmanager
def silent_dns() -> Iterator[int]:
    """Yield the port of a DNS server that answers no question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield server.getsockname()[1]


@asynccontextmanager
async def sidecar_with_silent_dns(stage: Stage) -> AsyncIterator[tuple[EnvoyProcess, str]]:
    """Start a sidecar that asks such a server; yield it, and the URL of its HTTP proxy."""
    proxy = sleeper(PORT)
    config = bootstrap(proxy, XdsAddress(stage.xds.host, stage.xds.port))
    with silent_dns() as port:
        address = {"socket_address": {"protocol": "UDP", "address": "127.0.0.1", "port_value": port}}
        config["typed_dns_resolver_config"]["typed_config"]["resolvers"] = [address]
        async with EnvoyProcess(config) as envoy:
            yield envoy, f"http://{proxy.ip}:{PROXY_PORT}"


async def test_a_proxy_starts_while_dns_does_not_answer_for_a_mirror(stage: Stage, live: Workload) -> None:
    await stage.apply(join_manifests(NO_ACCESS_LOG, service("web", PORT), versions("web", [live.port]), LOST))
    await stage.apply(virtual_service("web", MIRRORED))
    async with sidecar_with_silent_dns(stage) as (envoy, _):
        assert await envoy.ready()


async def test_a_mirrored_route_does_not_wait_for_dns(
    stage: Stage, live: Workload, client: aiohttp.ClientSession
) -> None:
    """When it is served, Envoy has acknowledged the mirror's cluster: the route was not sent for want of an answer."""
    await stage.apply(join_manifests(NO_ACCESS_LOG, service("web", PORT), versions("web", [live.port])))
    async with sidecar_with_silent_dns(stage) as (envoy, proxy):
        stage.write("rule.yaml", join_manifests(LOST, virtual_service("web", MIRRORED)))
        headers: set[str] = set()
        while "x-mirrored" not in headers:
            async with client.get(f"http://web:{PORT}/anything", proxy=proxy) as answer:
                assert answer.status == 200
                headers = {name.lower() for name in answer.headers}
        assert await envoy.counter("cluster.mirror|80||lost.example.com;.warming_state") == 0
        assert all(stream.settled for stream in stage.app.xds.statuses())
