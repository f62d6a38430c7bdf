"""One change of one resource of K kilobytes to 1,000 clients, server and clients each on a core; prints JSON.

The resource is a route configuration in size only, offered to the real server; each client accepts it at once. The
clock runs from the offer to each ACK as the server hears it. "bare" is a server that only sends bytes, for comparison.
`python -m tests.bench.fanout 300`
"""

import asyncio
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable

from api.proxy import Proxy
from api.resource import ROUTE, Resource, ResourceSet
from controlplane.catalogue import catalogue
from controlplane.feedback import PlaneFeed
from controlplane.observe.metrics import Metrics
from controlplane.plane import Plane
from controlplane.xds.server import XdsServer
from tests.bench.bare import BareServer, response
from tests.bench.clients import Clients
from tests.bench.gauges import cores, p50, p99
from tests.bench.herd import connections_for, herd, until

STREAMS = 1000
CHANGES = 15
WARM_UP = 3
NAME = "8000"


async def measure(kilobytes: int) -> dict[str, float]:
    ours, theirs = cores()
    os.sched_setaffinity(0, {ours})
    found = {}
    for variant, make in (("sotw", Served), ("delta", Served), ("bare", Bare)):
        served = make(kilobytes)
        delta = variant != "sotw"
        wanted = Clients(await served.start(), STREAMS, connections_for(STREAMS), delta, {ROUTE: [NAME]}, core=theirs)
        figures = await fan_out(served, wanted)
        await served.stop()
        found |= {f"{variant}_{name}": value for name, value in figures.items()}
    return found


async def fan_out(served: "Served | Bare", wanted: Clients) -> dict[str, float]:
    async with herd(wanted) as clients:
        await until(lambda: len(served.acked_at) == STREAMS, "all clients had connected")
        for number in range(WARM_UP):
            await change(served, number)
        before, cpu, began = await clients.seen(), time.process_time(), time.perf_counter()
        times = [late for number in range(CHANGES) for late in await change(served, WARM_UP + number)]
        took, spent, after = time.perf_counter() - began, time.process_time() - cpu, await clients.seen()
    return {
        "pushes_s": len(times) / took,
        "p50_ms": p50(times),
        "p99_ms": p99(times),
        "us_per_push": spent / len(times) * 1e6,
        "server_core": spent / took,
        "client_core": (after.cpu_s - before.cpu_s) / took,
    }


async def change(served: "Served | Bare", number: int) -> list[float]:
    """Make one change; returns the milliseconds until each client had accepted it."""
    served.acked_at.clear()
    began = served.change(number)
    await until(lambda: len(served.acked_at) == STREAMS, "all clients had accepted a change")
    return [(at - began) * 1000 for at in served.acked_at]


class Served(PlaneFeed):
    """The real server, offered one set; what comes back takes the usual way, into metrics and findings."""

    def __init__(self, kilobytes: int) -> None:
        plane = Plane(catalogue())
        super().__init__(plane, Metrics(plane, lambda: 0))
        self.acked_at: list[float] = []
        self._kilobytes = kilobytes
        self._now = route(1, kilobytes)
        self._offers: set[Callable[[ResourceSet], None]] = set()
        self._server = XdsServer(self, "127.0.0.1:0")

    async def start(self) -> int:
        return await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(1.0)

    def attach(self, proxy: Proxy, offer: Callable[[ResourceSet], None]) -> Callable[[], None]:
        self._offers.add(offer)
        offer(self._now)
        return lambda: self._offers.discard(offer)

    def acked(self, proxy_id: str, type_url: str, version: str, rejected: frozenset[str]) -> None:
        super().acked(proxy_id, type_url, version, rejected)
        self.acked_at.append(time.perf_counter())

    def change(self, number: int) -> float:
        """Offer a set to all; returns when that began."""
        self._now = route(number + 2, self._kilobytes)
        began = time.perf_counter()
        for offer in self._offers:
            offer(self._now)
        return began


class Bare(BareServer):
    """The same bytes without a control plane."""

    def __init__(self, kilobytes: int) -> None:
        super().__init__(route(1, kilobytes), lambda _: self.acked_at.append(time.perf_counter()))
        self.acked_at: list[float] = []
        self._kilobytes = kilobytes

    def change(self, number: int) -> float:
        """Push a set to all; returns when that began."""
        resource = route(number + 2, self._kilobytes).of(ROUTE)[NAME]
        return self.push(response(ROUTE, str(number), [resource], delta=True))


def route(generation: int, kilobytes: int) -> ResourceSet:
    body = random.Random(generation).randbytes(kilobytes * 1000)
    resource = Resource(ROUTE, NAME, f"{generation:016x}", body)
    return ResourceSet(generation, {ROUTE: {NAME: resource}}, {ROUTE: frozenset([NAME])})


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
