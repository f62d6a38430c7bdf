"""Shards: a large list that changes in one place, split by a hash of each name so that only one part is made again.

A list of 5,000 virtual hosts is remembered as 64 lists of about 80: a change runs 64 + 80 reads, not 5,000. Which shard
a name is in depends on the name alone, so adding one moves no other.
"""

from collections.abc import Iterable
from zlib import crc32

COUNT = 64
_SMALL = 128


def shard(name: str) -> int:
    """Return the shard of a name, 0 to COUNT - 1."""
    return crc32(name.encode()) % COUNT


def split(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the names by shard, sorted in each; a short list is one shard, so that people read it in order."""
    names = sorted(names)
    if len(names) <= _SMALL:
        return (tuple(names),)
    parts: list[list[str]] = [[] for _ in range(COUNT)]
    for name in names:
        parts[shard(name)].append(name)
    return tuple(tuple(part) for part in parts)
