"""Cold build, changes and memory for N services before one proxy that sees them all, in a process of its own; JSON.

`mirrored`: two Pods, two subsets and a mirror for each; `plain`: two Pods. `python -m tests.bench.cold 1000 mirrored`
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mirrorplane.api.meta import AnyObject
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators import envoy
from tests.bench import worlds
from tests.bench.client_process import until
from tests.bench.gauges import p50, p99

CHANGES = 50
PROXY = Proxy("sidecar", "bench", "default")


class Stopwatch:
    """Adds up the time spent in one function, wherever it is called from."""

    def __init__(self, timed: Callable[..., bytes]) -> None:
        self.timed, self.seconds = timed, 0.0

    def __call__(self, message: object) -> bytes:
        started = time.perf_counter()
        try:
            return self.timed(message)
        finally:
            self.seconds += time.perf_counter() - started


async def measure(count: int, kind: str) -> dict[str, float]:
    objects = worlds.WORLDS[kind](count)
    rss = resident()
    serialise = envoy.encode = Stopwatch(envoy.encode)  # type: ignore[assignment]
    plane = Plane(catalogue())
    sets: list[ResourceSet] = []
    started = time.perf_counter()
    for obj in objects:
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    plane.publisher.attach(PROXY, sets.append)
    await until(lambda: bool(sets), "there was a set to serve")
    cold = time.perf_counter() - started
    return {
        "objects_mib": rss,
        "cold_s": cold,
        "serialise_share": serialise.seconds / cold,
        "resources": sum(len(of_type) for of_type in sets[-1].resources.values()),
        "rss_mib": resident(),
        **{
            f"{name}_{key}": value
            for name, change in worlds.changes(kind, count).items()
            for key, value in (await repeated(plane, change)).items()
        },
    }


async def repeated(plane: Plane, change: Callable[[int], AnyObject]) -> dict[str, float]:
    """Make a change again and again, each time another one; returns the milliseconds until all sets were offered."""
    times = [await once(plane, change(number)) for number in range(CHANGES)]
    return {"p50_ms": p50(times), "p99_ms": p99(times)}


async def once(plane: Plane, obj: AnyObject) -> float:
    started = time.perf_counter()
    plane.store.apply(obj.ref, obj)
    await plane.publish()
    return (time.perf_counter() - started) * 1000


def resident() -> float:
    """Resident memory of this process, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), sys.argv[2]))))
