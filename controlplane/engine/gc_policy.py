"""When Python's cyclic garbage collector may run, and when freed memory returns to the system.

Objects and what is built from them are large and contain no cycles, so a collection walks them and finds nothing: at
5,000 services that walk was most of a cold build. Reference counting still frees objects at once.
See decisions 0014 and 0038.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Python 3.11's own are 700, 10 and 10.
_THRESHOLDS = (50_000, 20, 100)
LARGE = 10_000
"""This much work in one burst is all objects being loaded or a proxy with a new scope, not an edit."""


@contextmanager
def gc_paused(work_done: Callable[[], int]) -> Iterator[None]:
    """Pause the collector during a burst of work; after a large one, exempt everything alive from collections."""
    enabled, before = gc.isenabled(), work_done()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
        if work_done() - before >= LARGE:
            gc.freeze()


def exempt_loaded_objects() -> None:
    """Before serving: exempt all objects from collections, and make them rarer.

    A full collection among thousands of streams takes 100 ms and finds nothing; Python's own thresholds are made for
    small programs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


async def trim_memory_periodically(connected: Callable[[], int], every: float = 60.0) -> None:
    """Return freed memory every so many seconds when the number of connected proxies changed. Runs until cancelled.

    Every proxy begins with a Node of 60 KB. A thousand that connect at once leave holes between what stays allocated,
    which glibc keeps.
    """
    after = connected()
    while True:
        await asyncio.sleep(every)
        before, after = after, connected()
        if after != before:
            await asyncio.to_thread(trim_memory)


def trim_memory() -> None:
    """Return freed memory to the system, where the C library has a call for it (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
