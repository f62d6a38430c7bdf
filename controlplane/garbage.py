"""When Python's cyclic garbage collector may run.

The world and what is made of it are large and hold no cycles, so walking them finds nothing: at 5,000 services that
walk was most of a cold build. Objects still go as soon as nothing refers to them.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

LARGE = 1_000
"""So many changes at once are a world being loaded, not an edit."""


@contextmanager
def without_collecting(changes: int) -> Iterator[None]:
    """Keep the collector out of a burst of work; after a large one, take what is there now off its rounds for good."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
        if changes >= LARGE:
            gc.freeze()
