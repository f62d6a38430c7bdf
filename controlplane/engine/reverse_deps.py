"""Who reads what: for every read, the calls that made it.

Separate because of how it is kept. Nearly every read has one reader, and a set for each would be half of the engine's
memory, so one reader stands for itself, and only more of them are a set.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

Read = tuple[Any, ...]
Call = tuple[Any, ...]


class ReverseDeps:
    """The calls behind each read."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[Read, Call | set[Call]] = {}

    def of(self, read: Read) -> Collection[Call]:
        """Return the calls that made a read."""
        known = self._of.get(read)
        if known is None:
            return ()
        return known if isinstance(known, set) else (known,)

    def add(self, call: Call, reads: Iterable[Read]) -> None:
        """Note that a call made these reads."""
        of = self._of
        for read in reads:
            known = of.setdefault(read, call)
            if known is not call:
                if isinstance(known, set):
                    known.add(call)
                elif known != call:
                    of[read] = {known, call}

    def discard(self, call: Call, reads: Iterable[Read]) -> Iterator[Read]:
        """Note that a call no longer makes these reads; yields those that nobody makes any more."""
        for read in reads:
            known = self._of.get(read)
            if isinstance(known, set):
                known.discard(call)
                if known:
                    continue
            elif known != call:
                continue
            del self._of[read]
            yield read
