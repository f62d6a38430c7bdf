"""When Python's cyclic garbage collector may run, and when freed memory goes back to the system.

The world and what is made of it are large and hold no cycles, so walking them finds nothing: at 5,000 services that
walk was most of a cold build. Objects still go as soon as nothing refers to them.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SELDOM = (50_000, 20, 100)
LARGE = 10_000
"""So much work at once is a world being loaded or a proxy with a new scope, not an edit."""


@contextmanager
def without_collecting(work_done: Callable[[], int]) -> Iterator[None]:
    """Keep the collector out of a burst of work; after a large one, take what is there now off its rounds for good."""
    enabled, before = gc.isenabled(), work_done()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
        if work_done() - before >= LARGE:
            gc.freeze()


def spare() -> None:
    """Before serving: take the world off the collector's rounds, and make those rarer.

    A round among thousands of streams takes 100 ms and finds nothing; Python's own thresholds are for small programs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_SELDOM)


async def tidy(connected: Callable[[], int], every: float = 60.0) -> None:
    """Give freed memory back now and then, if the number of connected proxies is another one. Runs until cancelled.

    Every proxy begins with a Node of 60 KB. A thousand at once leave holes between what stays, which glibc keeps.
    """
    known = connected()
    while True:
        await asyncio.sleep(every)
        before, known = known, connected()
        if known != before:
            await asyncio.to_thread(give_back)


def give_back() -> None:
    """Return freed memory to the system, where the C library can be asked to (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
