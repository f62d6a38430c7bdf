"""The given paths themselves: owns whether one appeared, vanished, or is another folder than before.

Separate from the listing because a watch follows an inode, not a name: what is watched depends on this, too.
"""

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

Identity = tuple[int, int]
"""Device and inode."""


def identities(paths: Sequence[Path]) -> dict[str, Identity]:
    """Return those of the given paths that exist, each with its identity on the disk."""
    return {root: identity for root, (identity, _) in _stats(paths).items()}


class Roots:
    """What the given paths were at the last look."""

    def __init__(self) -> None:
        self._present: Mapping[str, Identity] = {}
        self._folders: dict[str, Identity] = {}

    def changes(self, paths: Sequence[Path]) -> tuple[bool, frozenset[str]]:
        """Return whether anything differs from the last look, and the folders that were made anew since they were seen.

        A file is another one after each save of an editor that renames; that says nothing.
        """
        stats = _stats(paths)
        present = {root: identity for root, (identity, _) in stats.items()}
        folders = {root: identity for root, (identity, mode) in stats.items() if stat.S_ISDIR(mode)}
        changed, self._present = present != self._present, present
        replaced = {root for root, identity in folders.items() if self._folders.get(root, identity) != identity}
        self._folders.update(folders)
        return changed, frozenset(replaced)


def _stats(paths: Sequence[Path]) -> dict[str, tuple[Identity, int]]:
    stats = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        stats[str(path)] = (status.st_dev, status.st_ino), status.st_mode
    return stats
