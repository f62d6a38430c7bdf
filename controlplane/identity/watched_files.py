"""A value made from files, and made again when they change.

Separate because certificates and keys share the rule: a set of files that cannot be used, or was caught half-replaced,
leaves the last good value in use. It is reported once, and read again at each use of the value.
See decision 0028.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
Fingerprint = tuple[tuple[int, int, int, int], ...]


class FileProblemError(ValueError):
    """Files that cannot be used. The message names them and the reason; it never quotes them."""


class WatchedFiles(Generic[T]):
    """The newest good value of some files. `load` makes it from their contents, or raises ValueError."""

    def __init__(self, paths: Sequence[Path], load: Callable[..., T]) -> None:
        """Read the files. Raises FileProblemError."""
        self._paths, self._load = tuple(paths), load
        self._read_at, self._value = self._read()
        self._problem = ""

    def latest(self) -> T:
        """Return the value of the files as they are now, or the last good one."""
        if _fingerprint(self._paths) != self._read_at:
            try:
                self._read_at, self._value = self._read()
                self._problem = ""
                log.info("read again: %s", self._names())
            except FileProblemError as error:
                self._report(str(error))
        return self._value

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            log.error("%s; the previous content stays in use", problem)
        self._problem = problem

    def _read(self) -> tuple[Fingerprint | None, T]:
        """Return the value, and the fingerprint from before: a change during the read makes it differ at once."""
        before = _fingerprint(self._paths)
        try:
            return before, self._load(*(path.read_bytes() for path in self._paths))
        except OSError as error:
            raise FileProblemError(f"{error.filename}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise FileProblemError(f"{self._names()}: {error}") from error

    def _names(self) -> str:
        return ", ".join(map(str, self._paths))


def _fingerprint(paths: Sequence[Path]) -> Fingerprint | None:
    """Return what changes with the files, or with who may read them (ctime); None while one is missing."""
    try:
        stats = [path.stat() for path in paths]
    except OSError:
        return None
    return tuple((stat.st_dev, stat.st_ino, stat.st_ctime_ns, stat.st_size) for stat in stats)
