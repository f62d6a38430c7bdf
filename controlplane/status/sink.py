"""Where statuses are written: the protocol beside Source, and the implementation that keeps them in memory.

A sink may be an API server, where others write to the same status.
"""

from collections.abc import Iterator
from typing import Protocol

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.status.conditions import Plain


class StatusSink(Protocol):
    """The `status` field of objects. Methods are called between two steps of other work, so they must not block."""

    def read(self, ref: Ref) -> Plain:
        """Return the status of an object as far as the sink knows, with what other controllers wrote; {} for none."""

    def write(self, ref: Ref, status: Plain | None) -> None:
        """Replace the status of an object; None: the status or the object was removed. Called for changes only."""

    def statuses(self) -> Iterator[tuple[Ref, Plain]]:
        """Yield every status, ordered by Ref."""


class MemoryStatusSink:
    """Statuses of objects whose source cannot hold a status: shown by `mirrorplane status` and the admin pages."""

    def __init__(self) -> None:
        self._statuses: dict[Ref, Plain] = {}

    def read(self, ref: Ref) -> Plain:
        """See StatusSink.read."""
        return self._statuses.get(ref, {})

    def write(self, ref: Ref, status: Plain | None) -> None:
        """See StatusSink.write."""
        if status is None:
            self._statuses.pop(ref, None)
        else:
            self._statuses[ref] = status

    def statuses(self) -> Iterator[tuple[Ref, Plain]]:
        """See StatusSink.statuses."""
        yield from sorted(self._statuses.items())
