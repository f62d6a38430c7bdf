"""Lists the files to read: owns the walk below the given paths, what is skipped, and when a file counts as new.

It opens no file. A whole walk costs a system call for each file; `refresh` costs what was touched.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_DEPTH: Final = 32
"""Folders below a given one that are read; what is deeper is reported. Real folders are a few levels deep."""
# Hidden names, and those of editors: Emacs saves `#web.yaml#` while the file is edited.
_SKIPPED_STARTS: Final = (".", "#", "~")

Fingerprint = tuple[int, int, int, int]
"""Device, inode, modification time (ns), size: when all are equal, a file is taken to be unchanged."""


class TooDeepError(OSError):
    """A folder that is not read: it is too far below the given one."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ELOOP, f"more than {MAX_DEPTH} folders deep", path)


class NotUtf8Error(OSError):
    """A path that is not read: findings, statuses and logs could not name it."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EILSEQ, "the name is not UTF-8; rename it", path)


class Listing:
    """The manifest files below folders, and the single files given by name, whatever their suffix.

    `unlisted` are paths that exist but cannot be listed (no permission, a dangling link, a name that is not UTF-8, a
    folder more than 32 levels below the given one), and given paths that do not exist; what is below them is unknown,
    not deleted. Names that are not UTF-8 are escaped in it.
    Hidden names are skipped, and with them the `..data` and `..2024_...` folders of a mounted ConfigMap: its files are
    seen through their own links. Links to folders are followed, each folder once.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.files: dict[str, Fingerprint] = {}
        self.unlisted: dict[str, OSError] = {}
        self._roots = {absolute(str(path)): str(path) for path in paths}
        self._folders: dict[str, tuple[int, int]] = {}
        self._identities: set[tuple[int, int]] = set()
        self._links: set[str] = set()
        self._reached_twice = False
        for path in self._roots.values():
            self._add(path, Path(path).stat, 0)

    def refresh(self, touched: Collection[str]) -> set[str] | None:
        """Look again at absolute paths that were touched; return every path whose entry may differ.

        No event tells of what a link points to, so links are checked each time. None where only a new Listing helps:
        for a path from elsewhere, and while a folder is reached in two ways.
        """
        places = [self._place(path) for path in touched]
        if self._reached_twice or None in places:
            return None
        broken = {path for path, error in self.unlisted.items() if not isinstance(error, NotUtf8Error)}
        again = {place for place in places if place} | self._links | broken
        differing = set(again)
        for path in sorted(again):
            differing |= self._forget(path)
            before = len(self.files)
            self._add(path, Path(path).stat, self._depth(path))
            if os.path.islink(path):  # noqa: PTH114 - runs for each touched path
                self._links.add(path)
            differing.update(islice(reversed(self.files), len(self.files) - before))  # the newest entries are the last
        return None if self._reached_twice else differing

    def lacks(self, path: str) -> bool:
        """Whether a file is not there, as far as can be known."""
        unknown = any(is_at_or_below(path, unlisted) for unlisted in self.unlisted)
        return path not in self.files and not unknown

    def _add(self, path: str, stat_path: Callable[[], os.stat_result], depth: int) -> None:
        given = depth == 0
        try:
            if not is_utf8(path):
                raise NotUtf8Error(path)
            status = stat_path()
            if stat.S_ISDIR(status.st_mode):
                self._walk(path, status, depth)
            elif given or path.endswith(SUFFIXES):  # a pipe too: reading it reports that
                self.files[path] = fingerprint(status)
        except OSError as error:
            if given or os.path.lexists(path):  # else it was deleted after its folder was listed
                self.unlisted[escaped(path)] = error

    def _walk(self, folder: str, status: os.stat_result, depth: int) -> None:
        identity = (status.st_dev, status.st_ino)
        if identity in self._identities:
            self._reached_twice = True
            return
        if depth > MAX_DEPTH:
            raise TooDeepError(folder)
        self._folders[folder] = identity
        self._identities.add(identity)
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(_SKIPPED_STARTS)]
        for entry in sorted(visible, key=lambda entry: entry.name):
            if entry.is_symlink():
                self._links.add(entry.path)
            self._add(entry.path, entry.stat, depth + 1)

    def _forget(self, path: str) -> set[str]:
        """Drop a path and what is below it; return the files dropped."""
        self.unlisted.pop(path, None)
        self._links.discard(path)
        if path not in self._folders:  # nothing is below a file: the usual case looks at no other path
            return {path} if self.files.pop(path, None) else set()
        folders = [folder for folder in self._folders if is_at_or_below(folder, path)]
        self._identities.difference_update(self._folders.pop(folder) for folder in folders)
        for unlisted in [unlisted for unlisted in self.unlisted if is_below(unlisted, path)]:
            del self.unlisted[unlisted]
        files = {file for file in self.files if is_below(file, path)}
        for file in files:
            del self.files[file]
        return files

    def _place(self, path: str) -> str | None:
        """Return an absolute path as it would be listed: "" if it is hidden, None if it is below no given path."""
        for absolute_root, root in self._roots.items():
            if path == absolute_root:
                return root
            if is_below(path, absolute_root):
                names = path[len(absolute_root) :].strip(os.sep)
                hidden = any(name.startswith(_SKIPPED_STARTS) for name in names.split("/"))
                return "" if hidden else os.path.join(root, names)  # noqa: PTH118 - runs for each event
        return None

    def _depth(self, path: str) -> int:
        """Return how many names a listed path has below its given path."""
        below = [path[len(root) :].strip(os.sep) for root in self._roots.values() if is_at_or_below(path, root)]
        names = min(below, key=len)
        return names.count(os.sep) + 1 if names else 0


def absolute(path: str) -> str:
    """Return a listed path as events name it. Called for every file at every walk, so it has to be fast."""
    return path if path.startswith(os.sep) else str(Path(path).absolute())


def is_below(path: str, folder: str) -> bool:
    """Whether a path is somewhere below a folder."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def is_at_or_below(path: str, root: str) -> bool:
    """Whether a path is a given path or below it."""
    return path == root or is_below(path, root)


def is_utf8(path: str) -> bool:
    """Whether a path is UTF-8 on the disk. Python gives other bytes as lone surrogates, which no output can encode."""
    return path.isascii() or not any("\udc80" <= character <= "\udcff" for character in path)


def escaped(path: str) -> str:
    """Return a path that can be printed: bytes that are not UTF-8 in hexadecimal, as Python and Bash write them."""
    return path if is_utf8(path) else os.fsencode(path).decode("utf-8", "backslashreplace")


def fingerprint(status: os.stat_result) -> Fingerprint:
    """Return what identifies the content of a file without reading it."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
