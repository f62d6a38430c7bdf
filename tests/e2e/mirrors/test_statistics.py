"""What Prometheus reads from a proxy: metric names that do not depend on the mesh, and mirrors told apart by labels."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import msgspec
import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.bootstrap.platform_ports import PlatformPorts
from mirrorplane.controlplane.playground.manifests import TUTORIAL, tutorial
from mirrorplane.controlplane.playground.proxy import EnvoyProcess
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.support.manifests import join_manifests, until, versions
from tests.e2e.support.sidecars import PROXY_PORT, free_address

pytestmark = pytest.mark.envoy

LABEL = re.compile(r'(\w+)="([^"]*)"')
PORTS = PlatformPorts(15000, 15021, 15090)
MIRROR = {
    "envoy_cluster_name": "mirror|8000|v2|httpbin.default.svc.cluster.local",
    "traffic": "mirror",
    "destination_service": "httpbin.default.svc.cluster.local",
    "destination_service_namespace": "default",
    "destination_port": "8000",
    "destination_subset": "v2",
}


class Scraped(msgspec.Struct, frozen=True):
    """A proxy with the tutorial's mirror, and the address of its platform ports."""

    stage: Stage
    address: str
    client: aiohttp.ClientSession
    mirrored: Workload

    async def get(self, url: str, **options: str) -> str:
        async with self.client.get(url, **options) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def samples(self) -> dict[str, list[dict[str, str]]]:
        """The labels of each sample, by the metric's name as Prometheus stores it."""
        text = await self.get(f"http://{self.address}:{PORTS.stats}/stats/prometheus")
        samples: dict[str, list[dict[str, str]]] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, labels = line.partition("{")
                samples.setdefault(name, []).append(dict(LABEL.findall(labels)))
        return samples


@pytest.fixture
async def scraped(stage: Stage, client: aiohttp.ClientSession) -> AsyncIterator[Scraped]:
    async with AsyncExitStack() as stack:
        v1, v2 = [await stack.enter_async_context(Workload(name)) for name in ("v1", "v2")]
        await stage.apply(join_manifests(tutorial(TUTORIAL[0]), versions("httpbin", [v1.port, v2.port])))
        for step in TUTORIAL[1:]:
            await stage.apply(tutorial(step))
        address = free_address(PROXY_PORT, 8000, PORTS.admin, PORTS.health, PORTS.stats)
        sleep = Proxy("sidecar", "sleep", "default", ip=address, labels={"app": "sleep"})
        config = bootstrap(sleep, XdsAddress(stage.xds.host, stage.xds.port), PORTS)
        await stack.enter_async_context(EnvoyProcess(config))
        await stage.settled()
        yield Scraped(stage, address, client, v2)


async def test_a_mirror_is_told_by_labels_and_no_name_depends_on_the_mesh(scraped: Scraped) -> None:
    await scraped.get("http://httpbin:8000/get", proxy=f"http://{scraped.address}:{PROXY_PORT}")
    await until(lambda: len(scraped.mirrored.received) == 1, "the copy arrived")
    assert await scraped.get(f"http://{scraped.address}:{PORTS.health}/healthz/ready") == "LIVE\n"
    samples = await scraped.samples()
    copies = [labels for labels in samples["envoy_cluster_upstream_rq_total"] if labels.get("traffic") == "mirror"]
    assert copies == [MIRROR]
    private = re.compile(r"svc|cluster_local|httpbin|http_proxy|[0-9]{3}|__")
    assert [name for name in samples if private.search(name)] == []
    assert {labels["envoy_http_conn_manager_prefix"] for labels in samples["envoy_http_downstream_rq_total"]} >= {
        f"outbound_{scraped.address}_8000",
        f"outbound_{scraped.address}_15080",
    }
