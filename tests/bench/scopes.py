"""One change among N services of which each scope sees five, before S scopes; prints JSON.

Every five services are exported only to their own namespace. `python -m tests.bench.scopes 5000 100`
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable

from mirrorplane.api.meta import AnyObject
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from tests.bench import worlds
from tests.bench.client_process import until
from tests.bench.cold import repeated, resident

OF_A_SCOPE = 5


async def measure(count: int, scopes: int) -> dict[str, float]:
    plane = Plane(catalogue())
    for obj in map(private, worlds.mirrored_services(count)):
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    sets: dict[int, ResourceSet] = {}
    started = time.perf_counter()
    for number in range(scopes):
        plane.publisher.attach(Proxy("sidecar", "bench", f"ns-{number}"), lambda s, n=number: sets.update({n: s}))
    await until(lambda: len(sets) == scopes, "there were sets to serve")
    opened = time.perf_counter() - started
    service_count = scopes * OF_A_SCOPE
    figures = {"open_s": opened, "rss_mib": resident(), "resources": sum(map(len, sets[0].resources.values()))}
    for name, change in worlds.changes("mirrored", service_count).items():
        change_figures = await repeated(plane, made_private(change))
        figures |= {f"{name}_{key}": value for key, value in change_figures.items()}
    return figures


def made_private(change: Callable[[int], AnyObject]) -> Callable[[int], AnyObject]:
    return lambda number: private(change(number))


def private(obj: AnyObject) -> AnyObject:
    """Return an object of a world in the namespace of its five services, exported to that namespace only."""
    number = int(obj.ref.name.split("-")[1])
    return worlds.private(obj, f"ns-{number // OF_A_SCOPE}")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))))
