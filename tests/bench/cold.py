"""Cold build, one change and memory for N mirrored services, in a process of its own; prints JSON.

`python -m tests.bench.cold 1000`
"""

import asyncio
import json
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from api.meta import AnyObject
from api.resource import ResourceSet
from controlplane.catalogue import catalogue
from controlplane.plane import Plane
from tests.bench.worlds import mirrored_services, virtual_service
from tests.builders import SLEEP
from translators import envoy

CHANGES = 50


class Stopwatch:
    """Adds up the time spent in one function, wherever it is called from."""

    def __init__(self, timed: Callable[..., bytes]) -> None:
        self.timed, self.seconds = timed, 0.0

    def __call__(self, message: object) -> bytes:
        began = time.perf_counter()
        try:
            return self.timed(message)
        finally:
            self.seconds += time.perf_counter() - began


async def measure(count: int) -> dict[str, float]:
    objects = mirrored_services(count)
    rss = resident()
    offered: deque[ResourceSet] = deque(maxlen=1)
    serialise = envoy.encode = Stopwatch(envoy.encode)  # type: ignore[assignment]
    plane = Plane(catalogue())
    began = time.perf_counter()
    for obj in objects:
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    plane.publisher.attach(SLEEP, offered.append)
    cold = time.perf_counter() - began
    share = serialise.seconds / cold
    changes = [await change(plane, virtual_service(i * 7 % count, 1.0 + i)) for i in range(CHANGES)]
    return {
        "cold_s": cold,
        "resources": sum(len(r) for r in offered[-1].resources.values()),
        "serialise_share": share,
        "change_p50_ms": statistics.median(changes) * 1000,
        "change_p99_ms": sorted(changes)[-1] * 1000,
        "objects_mib": rss,
        "rss_mib": resident(),
    }


async def change(plane: Plane, obj: AnyObject) -> float:
    began = time.perf_counter()
    plane.store.apply(obj.ref, obj)
    await plane.publish()
    return time.perf_counter() - began


def resident() -> float:
    """Resident memory of this process, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
