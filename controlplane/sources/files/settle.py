"""Whether a file is being written right now: owns how long to wait before it is read. Pure.

Separate from the watching because it is a rule about one moment: a file that is cut off at the end of a document or of
a field is valid YAML, so only its age distinguishes a half-written file from an edit. See decision 0019.
"""

from collections.abc import Collection, Mapping
from typing import Final

from mirrorplane.controlplane.sources.files.listing import Fingerprint, absolute

QUIET_S: Final = 0.2
"""A file that was not written to for this long is taken to be complete."""

_NS: Final = 1_000_000_000


def until_quiet(
    files: Mapping[str, Fingerprint], read_as: Mapping[str, Fingerprint], touched: Collection[str], now: float
) -> float:
    """Return the seconds to wait until every file that has to be read is quiet; 0.0 when all are.

    `read_as` are the fingerprints of the last reading, `touched` are absolute paths, `now` is in seconds since 1970.
    A file with another inode than the one last read was renamed into its place, so it is complete. A time stamp of the
    future comes from a clock that differs (network disks): by up to QUIET_S it counts as just written, by more it is
    ignored.
    """
    waits = {path: wait for path, mark in files.items() if (wait := _wait(mark, now))}
    return max((wait for path, wait in waits.items() if _in_place(path, files[path], read_as, touched)), default=0.0)


def _in_place(path: str, mark: Fingerprint, read_as: Mapping[str, Fingerprint], touched: Collection[str]) -> bool:
    """Whether a file has to be read, and was or may have been written in place."""
    last = read_as.get(path)
    if last is None:
        return True
    same_file = mark[:2] == last[:2]
    return same_file and (mark != last or absolute(path) in touched)


def _wait(mark: Fingerprint, now: float) -> float:
    age = now - mark[2] / _NS
    return max(QUIET_S - max(age, 0.0), 0.0) if age > -QUIET_S else 0.0
