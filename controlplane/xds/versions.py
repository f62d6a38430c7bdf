"""The content version of everything a type holds, kept up to date by what changes.

A version is a sum of hashes of (name, version) pairs: the same for any order and on every replica, and a change moves
it by the difference of two hashes.
"""

from collections.abc import Iterable

import xxhash

_MASK = (1 << 128) - 1


def term(name: str, version: str) -> int:
    """Return what a resource adds to the sum; no version adds nothing."""
    return xxhash.xxh3_128_intdigest(f"{name}\0{version}".encode()) if version else 0


def shift(name: str, before: str, after: str) -> int:
    """Return by how much the sum moves when a resource goes from one version to another."""
    return term(name, after) - term(name, before)


def spelled(total: int) -> str:
    """Return a sum as a version."""
    return f"{total & _MASK:032x}"


def digest(versions: Iterable[tuple[str, str]]) -> str:
    """Return the version of (name, version) pairs."""
    return spelled(sum(term(name, version) for name, version in versions))
