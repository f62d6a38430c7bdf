"""Measuring tools of the benchmarks: percentiles, event loop lag, growth over time, cores."""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence

TICK_S = 0.001


class Ticker:
    """Wakes up every millisecond, and records the largest delay of the event loop."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Ticker":
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        await asyncio.sleep(2 * TICK_S)  # the current gap counts too
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _tick(self) -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.perf_counter()
            self.worst_ms = max(self.worst_ms, (now - before - TICK_S) * 1000)
            before = now


def p50(values: Sequence[float]) -> float:
    return statistics.median(values)


def p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Growth per unit of the first of each pair: a least-squares fit."""
    return statistics.linear_regression(*zip(*samples, strict=True)).slope


def cores() -> tuple[int, int]:
    """A core for the server and one for its clients; the same when there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]
