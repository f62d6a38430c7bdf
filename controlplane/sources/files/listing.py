"""Which files there are to read: owns the walk below the given paths, what is skipped, and when a file counts as new.

Separate from reading because it must be cheap: it runs on every event, and opens nothing.
"""

import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_DEPTH: Final = 32
_SKIPPED_STARTS: Final = (".", "#", "~")

Fingerprint = tuple[int, int, int, int]
"""Device, inode, modification time (ns), size: when none of them differs, a file is taken to be the same."""


class TooDeepError(OSError):
    """A folder that is not looked into: it lies too far below the given one."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ELOOP, f"it lies more than {MAX_DEPTH} folders deep", path)


class Listing:
    """The manifest files below folders, and the single files given by name, whatever their suffix.

    `files` are in the order of their paths. `unlisted` are the paths that are there but cannot be looked at (no
    permission, a link to nothing, a folder more than 32 levels below the given one), and the given ones that do not
    exist; what is below them is unknown, not gone.
    Hidden names are skipped, and with them a ConfigMap's `..data` and `..2024_...` folders: its files are seen
    through their own links. Links to folders are followed, each folder once.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.files: dict[str, Fingerprint] = {}
        self.unlisted: dict[str, OSError] = {}
        self._seen: set[tuple[int, int]] = set()
        for path in paths:
            self._add(str(path), path.stat, 0)
        self.files = dict(sorted(self.files.items()))

    def lacks(self, path: str) -> bool:
        """Whether a file is gone for certain."""
        unknown = any(path == other or is_below(path, other) for other in self.unlisted)
        return path not in self.files and not unknown

    def _add(self, path: str, look: Callable[[], os.stat_result], depth: int) -> None:
        given = depth == 0
        try:
            status = look()
            if stat.S_ISDIR(status.st_mode):
                self._walk(path, status, depth)
            elif given or path.endswith(SUFFIXES):  # also what is no regular file: reading it says so
                self.files[path] = fingerprint(status)
        except OSError as error:
            if given or os.path.lexists(path):  # else it went away since its folder was listed
                self.unlisted[path] = error

    def _walk(self, folder: str, status: os.stat_result, depth: int) -> None:
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            return
        if depth > MAX_DEPTH:
            raise TooDeepError(folder)
        self._seen.add(identity)
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(_SKIPPED_STARTS)]
        for entry in sorted(shown, key=lambda entry: entry.name):
            self._add(entry.path, entry.stat, depth + 1)


def absolute(path: str) -> str:
    """Return a listed path as events name it. Asked for every file at every event, so it does no more than it must."""
    return path if path.startswith(os.sep) else str(Path(path).absolute())


def is_below(path: str, folder: str) -> bool:
    """Whether a path is somewhere below a folder."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def fingerprint(status: os.stat_result) -> Fingerprint:
    """Return what tells one content of a file from another without reading it."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
