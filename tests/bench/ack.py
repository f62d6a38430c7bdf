"""From a change to the ACK of a real Envoy, with N mirrored services; prints JSON.

The change is a VirtualService's mirror percentage, given to the plane as a source would; the clock stops when the last
of the two route configurations with it is acknowledged. A second Envoy is served the same bytes by a bare server
that made them before: what it takes is Envoy's own time to apply them, and the transport's. The two take turns, so
that both see the same noise. `python -m tests.bench.ack 1000`
"""

import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ROUTE, Resource, ResourceSet
from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.controlplane.playground.proxy import EnvoyProcess
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.sources.changes import Batch, Change
from mirrorplane.controlplane.xds.feed import Link, Offer
from tests.bench.bare import BareServer, response
from tests.bench.client_process import until
from tests.bench.gauges import p50, p99
from tests.bench.worlds import mirrored_services, virtual_service

T = TypeVar("T")

CHANGES = 100
WARM_UP = 5
PROXY = Proxy("sidecar", "bench", "default", ip="127.5.5.5")
TWIN = Proxy("sidecar", "bench", "default", ip="127.5.5.6")


class Heard:
    """The feed of a stage that notices when its proxy has acknowledged everything."""

    def __init__(self, stage: Stage) -> None:
        self._feed = stage.app.xds._feed
        self.settled = asyncio.Event()

    def checkpoint(self) -> None:
        self._feed.checkpoint()

    async def run(self, work: Callable[[], T]) -> T:
        return await self._feed.run(work)

    def attach(self, proxy: Proxy, offer: Offer, variant: str, client: str) -> Link:
        link = self._feed.attach(proxy, offer, variant, client)
        original_settled = link.settled

        def settled() -> None:
            original_settled()
            self.settled.set()

        link.settled = settled  # type: ignore[method-assign]
        return link


class Twin:
    """An Envoy on a bare server that gets the same resources as the other one."""

    def __init__(self) -> None:
        self.server = BareServer(ResourceSet(0, {}, {}, 0), self._heard)
        self.waiting: set[str] = set()
        self.accepted = asyncio.Event()

    def _heard(self, nonce: str) -> None:
        self.waiting.discard(nonce)
        if not self.waiting:
            self.accepted.set()

    async def change(self, number: int, resources: list[Resource]) -> float:
        """Send route configurations; returns the milliseconds until the ACK."""
        message = response(ROUTE, str(number), resources, delta=True)
        self.waiting = {str(number)}
        self.accepted.clear()
        started = self.server.push(message)
        await asyncio.wait_for(self.accepted.wait(), 10)
        return (time.perf_counter() - started) * 1000


async def measure(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        async with Stage(Path(folder)) as stage:
            await stage.app.plane.update(Batch(tuple(Change(obj.ref, obj) for obj in mirrored_services(count))))
            sets: list[ResourceSet] = []
            stage.app.plane.publisher.attach(PROXY, sets.append)
            await until(lambda: bool(sets), "there was a set to serve")
            heard = Heard(stage)
            stage.app.xds._feed = heard
            started = time.perf_counter()
            await stage.sidecar(PROXY)
            boot = time.perf_counter() - started
            return {"boot_s": boot, **await turns(stage, heard, sets, count)}


async def turns(stage: Stage, heard: Heard, sets: list[ResourceSet], count: int) -> dict[str, float]:
    twin = Twin()
    twin.server.resources = sets[-1]
    port = await twin.server.start()
    times: list[tuple[float, float, float]] = []
    async with EnvoyProcess(bootstrap(TWIN, XdsAddress("127.0.0.1", port))):
        for number in range(CHANGES + WARM_UP):
            plane_times = await change(stage, heard, count, number)
            changed = [sets[-1].of_type(ROUTE)[name] for name in sorted(sets[-1].changed[ROUTE])]
            times.append((*plane_times, await twin.change(number, changed)))
        assert not twin.server.rejections, twin.server.rejections
        await twin.server.stop()
    offered, total, bare = zip(*times[WARM_UP:], strict=True)
    return {
        "p50_ms": p50(total),
        "p99_ms": p99(total),
        "bare_p50_ms": p50(bare),
        "bare_p99_ms": p99(bare),
        "beyond_p50_ms": p50(total) - p50(bare),
        "beyond_p99_ms": p99(total) - p99(bare),
        "ours_p50_ms": p50(offered),
        "ours_p99_ms": p99(offered),
        "bytes": sum(resource.size for resource in changed),
    }


async def change(stage: Stage, heard: Heard, count: int, number: int) -> tuple[float, float]:
    """Make one change; returns the milliseconds until its sets were offered to streams, and until the ACK."""
    obj = virtual_service(number * 7 % count, 1.0 + number / 10)
    heard.settled.clear()
    started = time.perf_counter()
    await stage.app.plane.update(Batch((Change(obj.ref, obj),)))
    offered = time.perf_counter()
    await asyncio.wait_for(heard.settled.wait(), 10)
    return (offered - started) * 1000, (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
