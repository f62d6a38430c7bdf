"""How long the event loop is kept from answering proxies while the world changes; prints JSON.

A ticker asks for a turn every millisecond; the figures are its latest ones, in milliseconds, in a world of N mirrored
services: while MeshConfig changes before S scopes, while a proxy of a new scope connects, while one VirtualService
changes. `python -m tests.bench.lag 5000 1`
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec

from api.kinds import mirrorplane
from api.meta import AnyObject, Object, Ref
from api.proxy import Proxy
from api.resource import ResourceSet
from controlplane.catalogue import catalogue
from controlplane.plane import Plane
from controlplane.sources.changes import Batch, Change
from tests.bench.gauges import Ticker
from tests.bench.herd import until
from tests.bench.worlds import mirrored_services, virtual_service

EDITS = 20
REPEATS = 3


class Client:
    """A proxy that takes what it is offered."""

    def __init__(self, number: int) -> None:
        self.proxy = Proxy("sidecar", f"client-{number}", f"ns-{number}")
        self.latest: ResourceSet | None = None

    def offer(self, resources: ResourceSet) -> None:
        self.latest = resources


async def measure(count: int, scopes: int) -> dict[str, float]:
    plane = Plane(catalogue())
    cold = await lag(lambda: publish(plane, mirrored_services(count)))
    connects = [await lag(lambda number=number: connect(plane, Client(number))) for number in range(scopes)]
    mesh = [await lag(lambda number=number: publish(plane, [mesh_config(number)])) for number in range(REPEATS)]
    edits = [
        await lag(lambda number=number: publish(plane, [virtual_service(number * 7 % count, 1.0 + number)]))
        for number in range(EDITS)
    ]
    return {
        "load_lag_ms": cold[0],
        "connect_lag_ms": max(worst for worst, _ in connects),
        "connect_ms": max(took for _, took in connects),
        "mesh_lag_ms": max(worst for worst, _ in mesh),
        "mesh_ms": max(took for _, took in mesh),
        "edit_lag_ms": max(worst for worst, _ in edits),
        "edit_ms": max(took for _, took in edits),
    }


async def lag(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Return the latest tick while something is done, and how long that took; both in milliseconds."""
    async with Ticker() as ticker:
        began = time.perf_counter()
        await work()
        took = (time.perf_counter() - began) * 1000
    return ticker.worst_ms, took


async def publish(plane: Plane, objects: list[AnyObject]) -> None:
    await plane.take(Batch(tuple(Change(obj.ref, obj) for obj in objects)))


async def connect(plane: Plane, client: Client) -> None:
    plane.publisher.attach(client.proxy, client.offer)
    await until(lambda: client.latest is not None, "a proxy had its set")


def mesh_config(number: int) -> AnyObject:
    """A MeshConfig that changes every cluster."""
    spec = msgspec.structs.replace(mirrorplane.MeshConfig(), connect_timeout=f"{number + 1}s")
    return Object(Ref(mirrorplane.MESH_CONFIG.key, "", "default"), spec)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))))
