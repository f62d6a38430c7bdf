"""Finds the fields of a manifest that its type does not know: owns the walk over msgspec types.

Separate from decode because msgspec itself is lenient about unknown fields on purpose (newer API versions still load),
and what it skips must still be told: a misspelt `mirorr` is a mirror that never happens.
"""

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

_ARRAYS = (tuple, list, set, frozenset, Sequence)
_MAPPINGS = (dict, Mapping)


class UnknownField(msgspec.Struct, frozen=True):
    """A field its struct does not have, where it stands, and the fields there are."""

    path: str
    name: str
    known: Mapping[str, Any] | Sequence[str]

    @property
    def meant(self) -> str:
        """The known field it may be meant for, or "". Only worked out when asked: to compare names takes time."""
        return closest(self.name, self.known)


def unknown_fields(value: Any, of: Any, path: str = "") -> Iterator[UnknownField]:
    """Yield every field of a plain value, at any depth, that the type `of` does not read. `path` is where it stands."""
    if isinstance(value, dict) and is_struct(of):
        yield from _of_struct(value, of, path)
    elif isinstance(value, dict) and (inner := value_type(of)) is not None:
        for key, child in value.items():
            yield from unknown_fields(child, inner, f"{path}[{key}]")
    elif isinstance(value, list) and (inner := item_type(of)) is not None:
        for position, child in enumerate(value):
            yield from unknown_fields(child, inner, f"{path}[{position}]")


def _of_struct(value: dict[str, Any], of: Any, path: str) -> Iterator[UnknownField]:
    known = fields_of(of)
    for key, child in value.items():
        place = f"{path}.{key}" if path else key
        if key not in known:
            yield UnknownField(place, key, known)
        elif type(child) is dict or type(child) is list:
            yield from unknown_fields(child, known[key], place)


def closest(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """Return the known name that `name` most likely means, or ""."""
    lowered = {candidate.lower(): candidate for candidate in known}
    return next((lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, 1)), "")


def is_struct(of: Any) -> bool:
    """Whether a type, as the functions here return it, is a msgspec Struct."""
    return isinstance(of, type) and issubclass(of, msgspec.Struct)


@cache
def fields_of(of: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Return the fields of a struct by the name manifests give them, with the type each may hold structs in."""
    return {field.encode_name: bare(field.type) for field in msgspec.structs.fields(of)}


@cache
def item_type(of: Any) -> Any:
    """Return the type of the items of an array type, or None when it is none."""
    return bare(get_args(of)[0]) if get_origin(of) in _ARRAYS and get_args(of) else None


@cache
def value_type(of: Any) -> Any:
    """Return the type of the values of a mapping type, or None when it is none."""
    return bare(get_args(of)[1]) if get_origin(of) in _MAPPINGS and get_args(of) else None


def bare(of: Any) -> Any:
    """Return a type without Annotated and Optional, and of a union the one member that has structure, if just one."""
    if get_origin(of) is Annotated:
        return bare(get_args(of)[0])
    if get_origin(of) in {Union, types.UnionType}:
        members = [bare(member) for member in get_args(of) if member is not type(None)]
        deep = [member for member in members if is_struct(member) or get_origin(member) in (*_ARRAYS, *_MAPPINGS)]
        return deep[0] if len(deep) == 1 else members[0] if len(members) == 1 else None
    return of
