"""Reverse dependencies: for every read, the calls that made it.

Separate because of its representation. Nearly every read has one reader, and a set for each would be half of the
engine's memory, so a single reader is stored as itself, and only several as a set.
"""

from collections.abc import Collection, Iterable, Iterator

from mirrorplane.api.snapshot import ReadKey

Call = ReadKey
"""A function and its arguments: for the call that made it, it is a read like any other."""


class ReverseDeps:
    """The calls behind each read."""

    __slots__ = ("_readers",)

    def __init__(self) -> None:
        self._readers: dict[ReadKey, Call | set[Call]] = {}

    def readers(self, read: ReadKey) -> Collection[Call]:
        """Return the calls that made a read."""
        readers = self._readers.get(read)
        if readers is None:
            return ()
        return readers if isinstance(readers, set) else (readers,)

    def add(self, call: Call, reads: Iterable[ReadKey]) -> None:
        """Record that a call made these reads."""
        by_read = self._readers
        for read in reads:
            readers = by_read.setdefault(read, call)
            if readers is not call:  # another reader, or an equal tuple of an earlier run
                if isinstance(readers, set):
                    readers.add(call)
                elif readers != call:
                    by_read[read] = {readers, call}

    def discard(self, call: Call, reads: Iterable[ReadKey]) -> Iterator[ReadKey]:
        """Record that a call no longer makes these reads; yields those that no call makes any more."""
        for read in reads:
            readers = self._readers.get(read)
            if isinstance(readers, set):
                readers.discard(call)
                if readers:
                    continue
            elif readers != call:
                continue
            del self._readers[read]
            yield read
