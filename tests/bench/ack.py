"""From a change to the ACK of a real Envoy, with N mirrored services; prints JSON.

The change is a VirtualService's mirror percentage, given to the plane as a source would; the clock stops when the last
of the two route configurations that hold it is acknowledged. `python -m tests.bench.ack 1000`
"""

import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

from api.proxy import Proxy
from api.resource import ROUTE
from controlplane.playground.stage import Stage
from controlplane.sources.changes import Batch, Change
from tests.bench.worlds import mirrored_services, virtual_service

CHANGES = 100
WARM_UP = 5
POLL_S = 0.0002
PROXY = Proxy("sidecar", "bench", "default", ip="127.5.5.5")


async def measure(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        async with Stage(Path(folder)) as stage:
            plane = stage.app.plane
            plane.apply(Batch(tuple(Change(obj.ref, obj) for obj in mirrored_services(count))))
            await plane.publish()
            began = time.perf_counter()
            await stage.sidecar(PROXY)
            boot = time.perf_counter() - began
            times = [await change(stage, count, i) for i in range(CHANGES + WARM_UP)][WARM_UP:]
    ours, total = zip(*times, strict=True)
    return {
        "boot_s": boot,
        "p50_ms": statistics.median(total),
        "p99_ms": statistics.quantiles(total, n=100)[98],
        "ours_p50_ms": statistics.median(ours),
    }


async def change(stage: Stage, count: int, number: int) -> tuple[float, float]:
    """Make one change; returns the milliseconds until its sets were offered to streams, and until the ACK."""
    obj = virtual_service(number * 7 % count, 1.0 + number / 10)
    before = sent(stage)
    began = time.perf_counter()
    stage.app.plane.apply(Batch((Change(obj.ref, obj),)))
    await stage.app.plane.publish()
    offered = time.perf_counter()
    while sent(stage) == before or not all(s.settled for s in stage.app.server.streams()):
        await asyncio.sleep(POLL_S)
    return (offered - began) * 1000, (time.perf_counter() - began) * 1000


def sent(stage: Stage) -> int:
    return sum(t.pushes for s in stage.app.server.streams() for t in s.types if t.type_url == ROUTE)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
