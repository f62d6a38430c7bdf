"""Shards: a large list that changes in one place, split by a hash of each name so that only one part is made again.

A list of 5,000 virtual hosts is remembered as 64 lists of about 80: a change runs 64 + 80 reads, not 5,000. Which shard
a name is in depends on the name alone, so adding one moves no other. A short list is one part, in the order of names.
"""

from collections.abc import Iterable, Iterator, Mapping
from zlib import crc32

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.settings import mesh

COUNT = 64
_DEFAULTS = {"services": "services_export_to", "routes": "rules_export_to"}
"""By index, the setting that holds for objects that do not say who may see them."""
SHORT = 128
"""Up to so many objects are one part."""
_EVERYONE = "*"
_UNSAID = "~default"
"""Under this stand objects that do not say who may see them: the mesh does, to readers."""


def shard(name: str) -> int:
    """Return the shard of a name, 0 to COUNT - 1."""
    return crc32(name.encode()) % COUNT


def places(export_to: Iterable[str], namespace: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the keys under which an index finds an object: who may see it, alone and with each shard of its names.

    An object that does not say stands under that, for whichever default the mesh has.
    """
    shards = {shard(name) for name in names}
    said = {namespace if to == "." else to for to in export_to} or {_UNSAID}
    for to in said:
        yield to
        yield from (f"{to}|{i}" for i in shards)


def nested(where: str, names: Iterable[str], ref: Ref) -> Iterator[str]:
    """Yield the keys under which an index finds an object at a place, in each shard of its names, and in parts of that.

    Thousands of objects may speak of one name: a shard of many is asked for in parts by what the objects are called.
    """
    yield where
    part = shard(str(ref))
    for one in {shard(name) for name in names}:
        yield f"{where}|{one}"
        yield f"{where}|{one}|{part}"


def owned(namespace: str, names: Iterable[str]) -> Iterable[str]:
    """Return the keys under which an index finds an object by its own namespace, alone and with each shard."""
    return {namespace, *[f"{namespace}|{shard(name)}" for name in names]}


def selected_by(namespace: str, selector: Mapping[str, str]) -> Iterator[str]:
    """Yield the key under which an index finds what selects workloads: by its first label, `namespace|app=web`."""
    yield from (f"{namespace}|{key}={value}" for key, value in sorted(selector.items())[:1])


def selecting(names: Iterable[str], selector: Mapping[str, str]) -> Iterator[str]:
    """Yield the shards of the names of what selects workloads; nothing where there is no selector."""
    yield from {str(shard(name)) for name in names} if selector else ()


def parts(view: View, index: str, namespace: str) -> int:
    """Return in how many parts a namespace sees what such an index holds: COUNT, or 1 when it is short."""
    return parts_for(sum(len(view.by(where, to)) for where, to in _seen(view, index, namespace)))


def parts_for(seen: int) -> int:
    """Return in how many parts a list of so many is asked for."""
    return COUNT if seen > SHORT else 1


def objects(view: View, index: str, namespace: str, part: int, of: int) -> Iterator[AnyObject]:
    """Yield the objects of one part of what a namespace may see: what everyone does, and what is exported to it.

    Where the mesh exports to the own namespace by default, that is all of its objects, whatever they say.
    """
    for where, to in _seen(view, index, namespace):
        yield from view.by(where, to if of == 1 else f"{to}|{part}")


def _seen(view: View, index: str, namespace: str) -> tuple[tuple[str, str], ...]:
    """Return the indexes and keys that hold what a namespace sees; the mesh says which of them by default."""
    default: tuple[str, ...] = getattr(view.memo(mesh), _DEFAULTS[index])
    said = ((index, _EVERYONE), (index, namespace))
    if "*" in default or namespace in default:
        return (*said, (index, _UNSAID))
    return (*said, (f"{index}.of", namespace)) if "." in default else said


def is_in(name: str, part: int, of: int) -> bool:
    """Tell whether a name belongs to a part."""
    return of == 1 or shard(name) == part
