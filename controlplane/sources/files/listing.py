"""Lists the files to read: owns the walk below the given paths, what is skipped, and when a file counts as new.

It must be cheap: it runs on every event, and opens no file.
"""

import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_DEPTH: Final = 32
# Hidden names, and those of editors: Emacs saves `#web.yaml#` while the file is edited.
_SKIPPED_STARTS: Final = (".", "#", "~")

Fingerprint = tuple[int, int, int, int]
"""Device, inode, modification time (ns), size: when all are equal, a file is taken to be unchanged."""


class TooDeepError(OSError):
    """A folder that is not read: it is too far below the given one."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ELOOP, f"more than {MAX_DEPTH} folders deep", path)


class Listing:
    """The manifest files below folders, and the single files given by name, whatever their suffix.

    `files` are in the order of their paths. `unlisted` are paths that exist but cannot be listed (no permission, a
    dangling link, a folder more than 32 levels below the given one), and given paths that do not exist; what is below
    them is unknown, not deleted.
    Hidden names are skipped, and with them the `..data` and `..2024_...` folders of a mounted ConfigMap: its files are
    seen through their own links. Links to folders are followed, each folder once.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.files: dict[str, Fingerprint] = {}
        self.unlisted: dict[str, OSError] = {}
        self._visited: set[tuple[int, int]] = set()
        for path in paths:
            self._add(str(path), path.stat, 0)
        self.files = dict(sorted(self.files.items()))

    def lacks(self, path: str) -> bool:
        """Whether a file was certainly deleted."""
        unknown = any(path == unlisted or is_below(path, unlisted) for unlisted in self.unlisted)
        return path not in self.files and not unknown

    def _add(self, path: str, stat_path: Callable[[], os.stat_result], depth: int) -> None:
        given = depth == 0
        try:
            status = stat_path()
            if stat.S_ISDIR(status.st_mode):
                self._walk(path, status, depth)
            elif given or path.endswith(SUFFIXES):  # a pipe too: reading it reports that
                self.files[path] = fingerprint(status)
        except OSError as error:
            if given or os.path.lexists(path):  # else it was deleted after its folder was listed
                self.unlisted[path] = error

    def _walk(self, folder: str, status: os.stat_result, depth: int) -> None:
        identity = (status.st_dev, status.st_ino)
        if identity in self._visited:
            return
        if depth > MAX_DEPTH:
            raise TooDeepError(folder)
        self._visited.add(identity)
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(_SKIPPED_STARTS)]
        for entry in sorted(visible, key=lambda entry: entry.name):
            self._add(entry.path, entry.stat, depth + 1)


def absolute(path: str) -> str:
    """Return a listed path as events name it. Called for every file at every event, so it has to be fast."""
    return path if path.startswith(os.sep) else str(Path(path).absolute())


def is_below(path: str, folder: str) -> bool:
    """Whether a path is somewhere below a folder."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def fingerprint(status: os.stat_result) -> Fingerprint:
    """Return what identifies the content of a file without reading it."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
