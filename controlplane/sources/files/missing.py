"""Which files that are not there any more count as deleted: owns how long their objects keep serving. Pure.

Separate from the watching because it is a rule about moments. A file that is renamed while its folder is listed shows
under neither name; some editors delete a file and write it anew; `rm -rf mesh; mkdir mesh; cp ...` deletes all files
and brings them back. See decision 0139.
"""

from collections.abc import Collection, Set
from typing import Final

import msgspec

from mirrorplane.controlplane.sources.files.listing import is_at_or_below

QUIET_S: Final = 0.3
"""A file that is not there for so long, while no other file vanishes or returns, was deleted. `mv` and editors take
milliseconds."""

MANY_S: Final = 5.0
"""The same where half of the files are gone at once, or a given path is gone or was replaced. Copying a folder has
pauses of less than that, and who deletes it on purpose can wait."""


class Missing(msgspec.Struct, frozen=True):
    """The files of one given path that are missing, and since when it is exactly these (seconds of one clock).

    `many`: it looks as if all of them were being replaced. `known` is how many files there were.
    """

    paths: frozenset[str] = frozenset()
    since: float = 0.0
    many: bool = False
    known: int = 0

    @property
    def deleted_at(self) -> float:
        """When they count as deleted, if nothing changes until then."""
        return self.since + (MANY_S if self.many else QUIET_S)


class Deletions:
    """The files that are missing below each given path."""

    def __init__(self) -> None:
        self._by_root: dict[str, Missing] = {}

    @property
    def paths(self) -> set[str]:
        """All missing files."""
        return {path for missing in self._by_root.values() for path in missing.paths}

    @property
    def next_at(self) -> float | None:
        """When files count as deleted next; None when none is missing."""
        return min((missing.deleted_at for missing in self._by_root.values()), default=None)

    def missing(self, root: str) -> Missing | None:
        """Return what is missing of a given path."""
        return self._by_root.get(root)

    def update(self, root: str, paths: Set[str], known: Collection[str], now: float, *, replaced: bool) -> Set[str]:
        """Note which files are missing now; return them if they count as deleted from now on.

        `known` are all files there were. `replaced`: the given path is another folder than at the last update.
        """
        before = self._by_root.pop(root, Missing())
        of_root = frozenset(path for path in paths if is_at_or_below(path, root))
        if not of_root:
            return of_root
        missing = before
        if replaced or of_root != before.paths:
            count = before.known or sum(is_at_or_below(path, root) for path in known)
            # Files that return one by one are fewer and fewer: what began as many stays so until none is missing.
            many = replaced or before.many or root in of_root or (len(of_root) > 1 and 2 * len(of_root) >= count)
            missing = Missing(of_root, now, many, count)
        if now >= missing.deleted_at:
            return of_root
        self._by_root[root] = missing
        return frozenset()
