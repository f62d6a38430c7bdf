"""The content version of everything a type holds, kept up to date by what changes.

A version is a sum of hashes of (name, version) pairs: the same in any order and on every replica, and a change moves it
by the difference of two hashes. A hash of the sorted pairs would cost the whole type for each change of one resource.
See decision 0010.
"""

import xxhash

_MASK = (1 << 128) - 1


def term(name: str, version: str) -> int:
    """Return what a resource adds to the sum; a missing one (no version) adds nothing."""
    return xxhash.xxh3_128_intdigest(f"{name}\0{version}".encode()) if version else 0


def shift(name: str, before: str, after: str) -> int:
    """Return by how much the sum moves when a resource changes from one version to another."""
    return term(name, after) - term(name, before)


def format_version(total: int) -> str:
    """Return a sum as a version: 32 hexadecimal digits."""
    return f"{total & _MASK:032x}"
