"""The world at one moment. Never edited."""

from collections.abc import Mapping
from typing import Any

import msgspec

from api.meta import AnyObject, Ref

ReadKey = tuple[str, Any]
"""("get", Ref), ("by", (index, key)) or ("memo", call): one question a translator asked."""


class Snapshot(msgspec.Struct, frozen=True):
    """All objects, the index buckets over them (each sorted by Ref), and what changed since the version before."""

    version: int
    objects: Mapping[Ref, AnyObject]
    index: Mapping[tuple[str, str], tuple[AnyObject, ...]]
    changed: frozenset[ReadKey]
