"""N HTTPRoutes on one Gateway before its router, and one more, in a process of its own; prints JSON.

`hosts`: each has a hostname of its own; `paths`: all share one, which is the worse case: a virtual host is one piece of
the route configuration. Every fifth copies to another service. Times are the processor's.
`python -m tests.bench.gateway 1000 hosts`
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable

from mirrorplane.api.meta import AnyObject
from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from tests.bench import gateway_worlds
from tests.bench.client_process import until
from tests.bench.cold import resident
from tests.bench.gauges import p50, p99

CHANGES = 50


async def measure(count: int, kind: str) -> dict[str, float]:
    objects = gateway_worlds.world(kind, count)
    plane, sets = Plane(catalogue()), list[ResourceSet]()
    started = time.process_time()
    for obj in objects:
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    plane.publisher.attach(gateway_worlds.router(), sets.append)
    await until(lambda: bool(sets), "there was a set to serve")
    figures = {"cold_s": time.process_time() - started, "rss_mib": resident()}
    changes: dict[str, Callable[[int], AnyObject]] = {
        "changed": lambda n: gateway_worlds.route(kind, n * 7 % count, 1 + n),
        "added": lambda n: gateway_worlds.route(kind, count + n),
    }
    for name, change in changes.items():
        change_figures = await repeated(plane, sets, change)
        figures |= {f"{name}_{key}": value for key, value in change_figures.items()}
    return figures


async def repeated(plane: Plane, sets: list[ResourceSet], change: Callable[[int], AnyObject]) -> dict[str, float]:
    """Make a change again and again: milliseconds until it was offered, functions that ran, bytes that are pushed."""
    samples = [await once(plane, sets, change(number)) for number in range(CHANGES)]
    times, runs, pushed = zip(*samples, strict=True)
    return {"p50_ms": p50(times), "p99_ms": p99(times), "runs": max(runs), "bytes": p50(pushed)}


async def once(plane: Plane, sets: list[ResourceSet], obj: AnyObject) -> tuple[float, int, int]:
    earlier, runs, started = len(sets), plane.engine.runs, time.process_time()
    plane.store.apply(obj.ref, obj)
    await plane.publish()
    duration = (time.process_time() - started) * 1000
    pushed = sum(
        resources.of_type(url)[name].size
        for resources in sets[earlier:]
        for url in resources.changed
        for name in resources.changed[url]
    )
    return duration, plane.engine.runs - runs, pushed


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), sys.argv[2]))))
