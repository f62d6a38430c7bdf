"""All objects at one version. Never edited."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mirrorplane.api.meta import AnyObject, Ref

GET, BY = "get", "by"
ReadKey = tuple[Any, ...]
"""One read of a translator: (GET, Ref), (BY, index, key), or a call: (function, *arguments)."""


class Snapshot(msgspec.Struct, frozen=True):
    """All objects, the index buckets over them (each sorted by Ref), and what changed since the version before."""

    version: int
    objects: Mapping[Ref, AnyObject]
    index: Mapping[tuple[str, str], tuple[AnyObject, ...]]
    changed: frozenset[ReadKey]
