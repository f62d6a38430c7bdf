"""Partitions: a large list that changes in one place is remembered in parts, so that a change makes one part again.

A list of 5,000 virtual hosts is remembered as 64 lists of about 80: a change runs 64 + 80 reads instead of 5,000. The
partition of a name depends on the name alone, so that adding one moves no other. A short list is WHOLE, in the order of
its names.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from zlib import crc32

import msgspec

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.settings import mesh

COUNT = 64
"""How many partitions a large list has."""
SHORT = 128
"""A list of at most this many objects is not divided."""
_EVERYONE = "*"
_DEFAULT_KEY = "~default"
"""The key of objects without exportTo: which namespaces see them is the mesh's default, and known only to readers."""
_DEFAULT_SETTINGS = {"services": "services_export_to", "routes": "rules_export_to"}
"""By index, the setting with that default."""


class Partition(msgspec.Struct, frozen=True, cache_hash=True):
    """One of `count` parts of a list of names; with one, the whole list."""

    index: int = 0
    count: int = 1

    def has(self, name: str) -> bool:
        """Tell whether a name belongs to it."""
        return self.count == 1 or partition_index(name) == self.index

    def key(self, key: str) -> str:
        """Return the key of an index for what is filed under a key and belongs to this partition."""
        return key if self.count == 1 else f"{key}|{self.index}"


WHOLE = Partition()
Partitions = tuple[Partition, ...]


def partition_index(name: str) -> int:
    """Return the index of the partition of a name where a list is divided, 0 to COUNT - 1."""
    # Not `hash`, which differs from one process to the next: replicas would order their lists differently.
    return crc32(name.encode()) % COUNT


def every_partition() -> Partitions:
    """Return the partitions of a list that is always divided."""
    return _divided(COUNT)


def partitions_of_size(size: int) -> Partitions:
    """Return the partitions in which a list of so many objects is read."""
    return _divided(COUNT) if size > SHORT else (WHOLE,)


def partition_of(name: str, partitions: Partitions) -> Partition:
    """Return the partition that a name belongs to."""
    return partitions[0] if len(partitions) == 1 else partitions[partition_index(name)]


def visible_partitions(view: View, index: str, namespace: str) -> Partitions:
    """Return the partitions in which a namespace reads the objects of an index that it sees."""
    return partitions_of_size(sum(len(view.by(*key)) for key in _visible_keys(view, index, namespace)))


def visible_objects(view: View, index: str, namespace: str, partition: Partition) -> Iterator[AnyObject]:
    """Yield the objects of a partition that a namespace sees: those of everyone, and those exported to it.

    Where the mesh exports to the own namespace by default, these are all of its objects, whatever their exportTo.
    """
    for name, key in _visible_keys(view, index, namespace):
        yield from view.by(name, partition.key(key))


def export_keys(export_to: Iterable[str], namespace: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the index keys of an object by who sees it: alone, and with the partition of each of its names."""
    indexes = {partition_index(name) for name in names}
    for key in {namespace if target == "." else target for target in export_to} or {_DEFAULT_KEY}:
        yield key
        yield from (f"{key}|{i}" for i in indexes)


def nested_keys(key: str, names: Iterable[str], ref: Ref) -> Iterator[str]:
    """Yield a key, the key with the partition of each name, and these with the partition of the object.

    Thousands of objects may have one name: a large partition is itself divided, by what the objects are called.
    """
    yield key
    ref_index = partition_index(str(ref))
    for i in {partition_index(name) for name in names}:
        yield f"{key}|{i}"
        yield f"{key}|{i}|{ref_index}"


def namespace_keys(namespace: str, names: Iterable[str]) -> Iterable[str]:
    """Return the index keys of an object by its own namespace: alone, and with the partition of each of its names."""
    return {namespace, *[f"{namespace}|{partition_index(name)}" for name in names]}


def selector_keys(namespace: str, selector: Mapping[str, str]) -> Iterator[str]:
    """Yield the index key of what selects workloads: by its first label, `namespace|app=web`."""
    yield from (f"{namespace}|{key}={value}" for key, value in sorted(selector.items())[:1])


def selector_partitions(names: Iterable[str], selector: Mapping[str, str]) -> Iterator[str]:
    """Yield the partitions of the names of what selects workloads; none without a selector."""
    yield from {str(partition_index(name)) for name in names} if selector else ()


def address_keys(namespace: str, addresses: Iterable[str]) -> Iterator[str]:
    """Yield the index keys of what lists the addresses of workloads, each with its namespace: `default|10.0.0.1`."""
    yield from (f"{namespace}|{address}" for address in addresses)


def ref_partition(ref: Ref) -> str:
    """Return the index key of the partition that an object belongs to by what it is called."""
    return str(partition_index(str(ref)))


def _visible_keys(view: View, index: str, namespace: str) -> tuple[tuple[str, str], ...]:
    """Return the indexes and keys of what a namespace sees; the mesh's default says which of them."""
    default: tuple[str, ...] = getattr(view.memo(mesh), _DEFAULT_SETTINGS[index])
    exported = ((index, _EVERYONE), (index, namespace))
    if "*" in default or namespace in default:
        return (*exported, (index, _DEFAULT_KEY))
    return (*exported, (f"{index}.by_namespace", namespace)) if "." in default else exported


@cache
def _divided(count: int) -> Partitions:
    """Return all partitions. They are in the keys of most memos: equal ones are one object, which compares fastest."""
    return tuple(Partition(i, count) for i in range(count))
