"""One change of one resource of K kilobytes to 1,000 clients, server and clients each on a core; prints JSON.

The resource is a route configuration in size only, served by the real server; each client accepts it at once. The
clock runs from the change to each ACK as the server hears it. "bare" is a server that only sends bytes, for comparison.
`python -m tests.bench.fanout 300`
"""

import asyncio
import json
import logging
import os
import random
import sys
import time

import msgspec

from mirrorplane.api.kinds.mirrorplane import MESH_CONFIG, MeshConfig
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.proxy import Proxy, Scope
from mirrorplane.api.resource import ROUTE, Resource, ResourceSet
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.engine.gc_policy import exempt_loaded_objects
from mirrorplane.controlplane.feed import PlaneFeed, PlaneLink
from mirrorplane.controlplane.grpc_server.server import GrpcServer
from mirrorplane.controlplane.identity.authoriser import Authoriser
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.xds.feed import Offer
from mirrorplane.controlplane.xds.streams import XdsStreams
from mirrorplane.translators.contract import Output
from tests.bench.bare import BareServer, response
from tests.bench.client_process import connections_for, running_clients, until
from tests.bench.clients import ClientsSpec
from tests.bench.gauges import cores, p50, p99

STREAMS = 1000
CHANGES = 15
WARM_UP = 3
NAME = "8000"
TRIGGER = Ref(MESH_CONFIG.key, "", "default")


async def measure(kilobytes: int) -> dict[str, float]:
    server_core, client_core = cores()
    os.sched_setaffinity(0, {server_core})
    figures_by_variant = {}
    for variant, make in (("sotw", Served), ("delta", Served), ("bare", Bare)):
        served = make(kilobytes)
        delta = variant != "sotw"
        clients_spec = ClientsSpec(
            await served.start(), STREAMS, connections_for(STREAMS), delta, {ROUTE: [NAME]}, core=client_core
        )
        figures = await fan_out(served, clients_spec)
        await served.stop()
        figures_by_variant |= {f"{variant}_{name}": value for name, value in figures.items()}
    return figures_by_variant


async def fan_out(served: "Served | Bare", clients_spec: ClientsSpec) -> dict[str, float]:
    async with running_clients(clients_spec) as clients:
        await until(lambda: len(served.acked_at) == STREAMS, "all clients had connected")
        for number in range(WARM_UP):
            await change(served, number)
        before, cpu, started = await clients.counts(), time.process_time(), time.perf_counter()
        times = [late for number in range(CHANGES) for late in await change(served, WARM_UP + number)]
        duration, cpu_seconds, after = time.perf_counter() - started, time.process_time() - cpu, await clients.counts()
    return {
        "pushes_s": len(times) / duration,
        "p50_ms": p50(times),
        "p99_ms": p99(times),
        "us_per_push": cpu_seconds / len(times) * 1e6,
        "server_core": cpu_seconds / duration,
        "client_core": (after.cpu_s - before.cpu_s) / duration,
    }


async def change(served: "Served | Bare", number: int) -> list[float]:
    """Make one change; returns the milliseconds until each client had accepted it."""
    served.acked_at.clear()
    started = await served.change(number)
    await until(lambda: len(served.acked_at) == STREAMS, "all clients had accepted a change")
    return [(acked - started) * 1000 for acked in served.acked_at]


class Served(PlaneFeed):
    """The real server on a plane whose only output is the resource; ACKs take the usual path."""

    def __init__(self, kilobytes: int) -> None:
        def build(view: View, _scope: Scope, name: str) -> Resource:
            obj = view.get(TRIGGER)
            return route(obj.generation if obj else 0, kilobytes)

        output = Output(ROUTE, lambda *_: ((NAME,),), build)
        plane = Plane(msgspec.structs.replace(catalogue(), outputs=(output,)))
        super().__init__(plane, Metrics(plane))
        self.acked_at: list[float] = []
        self._server = GrpcServer("127.0.0.1:0", XdsStreams(self).services, Authoriser())

    async def start(self) -> int:
        await self.plane.publish()
        exempt_loaded_objects()  # as the control plane does when it begins to serve
        return await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(1.0)

    def attach(self, proxy: Proxy, offer: Offer, variant: str, client: str = "") -> PlaneLink:
        link = super().attach(proxy, offer, variant, client)
        accepted = link.acked

        def acked(type_url: str, version: str, rejected: frozenset[str]) -> None:
            accepted(type_url, version, rejected)
            self.acked_at.append(time.perf_counter())

        link.acked = acked  # type: ignore[method-assign]
        return link

    async def change(self, number: int) -> float:
        """Publish a change; returns when that began."""
        self.plane.store.apply(TRIGGER, Object(TRIGGER, MeshConfig(), generation=number + 1))
        started = time.perf_counter()
        await self.plane.publish()
        return started


class Bare(BareServer):
    """The same bytes without a control plane."""

    def __init__(self, kilobytes: int) -> None:
        initial = ResourceSet(1, {ROUTE: {NAME: route(0, kilobytes)}}, {}, 0)
        super().__init__(initial, lambda _: self.acked_at.append(time.perf_counter()))
        self.acked_at: list[float] = []
        self._kilobytes = kilobytes

    async def change(self, number: int) -> float:
        """Push a resource to all; returns when that began."""
        return self.push(response(ROUTE, str(number), [route(number + 1, self._kilobytes)], delta=True))


def route(generation: int, kilobytes: int) -> Resource:
    body = random.Random(generation).randbytes(kilobytes * 1000)
    return Resource(ROUTE, NAME, f"{generation:016x}", (body,))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
