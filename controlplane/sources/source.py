"""The interface of a source of objects, whatever is behind it: a folder, an API server, the control plane itself.

Separate from the sources so that App, Plane and the findings depend on this protocol and on no implementation.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.sources.changes import Batch


class Location(NamedTuple):
    """Where a user finds an object: a file and a 1-based line.

    A source without files gives its own name for the place (an object as kubectl names it) and line 0.
    """

    file: str
    line: int = 0

    def __str__(self) -> str:
        """As compilers print it: `mesh/web.yaml:12`."""
        return f"{self.file}:{self.line}" if self.line else self.file


Locate = Callable[[Ref, str], Location | None]
"""Source.locate: the place of a field of an object."""


class Source(Protocol):
    """Objects and what is wrong with them, as they change. The consumer calls `load` once, then `watch`.

    Changes are minimal: a source never repeats the object of its last Change of a Ref, and never removes a Ref that it
    does not hold.
    """

    @property
    def name(self) -> str:
        """A short name for users (`mesh/`, `cluster prod`), unique among the sources of one process."""

    async def load(self) -> Batch:
        """Return everything there is; less, and not `synced`, when it cannot all be read in reasonable time."""

    def watch(self, stop: asyncio.Event) -> AsyncIterator[Batch]:
        """Yield changes as they happen, until `stop` is set. A batch is empty only when it is the first synced one."""

    def reread(self) -> None:
        """Let `watch` soon read everything again, although nothing shows that it changed. Does not block."""

    def locate(self, ref: Ref, path: str) -> Location | None:
        """Return the place of a field (as kubectl spells it) of an object, or of its nearest written parent.

        None for a Ref that this source does not hold, or that has no place a user could open.
        """
