"""Finds the fields of a manifest that its type does not know: owns the walk over msgspec types.

Separate from decode because msgspec itself ignores unknown fields on purpose (newer API versions still load), and what
it ignores must still be reported: with a misspelt `mirorr` nothing is mirrored.
"""

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

_ARRAYS = (tuple, list, set, frozenset, Sequence)
_MAPPINGS = (dict, Mapping)
_A_LETTER_OR_TWO = 0.9


class UnknownField(msgspec.Struct, frozen=True):
    """A field that its struct does not have, its path, and the names of the fields that the struct has."""

    path: str
    name: str
    valid_names: Mapping[str, Any] | Sequence[str]

    @property
    def suggestion(self) -> str:
        """The valid field that was probably intended, or "". A property, because comparing names takes time."""
        return closest(self.name, self.valid_names)


def unknown_fields(value: Any, target: Any, path: str = "") -> Iterator[UnknownField]:
    """Yield every field of a plain value, at any depth, that the type `target` does not have. `path` is the value's."""
    if isinstance(value, dict) and is_struct(target):
        yield from _unknown_in_struct(value, target, path)
    elif isinstance(value, dict) and (child_type := value_type(target)) is not None:
        for key, child in value.items():
            yield from unknown_fields(child, child_type, f"{path}[{key}]")
    elif isinstance(value, list) and (child_type := item_type(target)) is not None:
        for position, child in enumerate(value):
            yield from unknown_fields(child, child_type, f"{path}[{position}]")


def _unknown_in_struct(value: dict[str, Any], struct: Any, path: str) -> Iterator[UnknownField]:
    fields = fields_of(struct)
    for key, child in value.items():
        child_path = f"{path}.{key}" if path else key
        if key not in fields:
            yield UnknownField(child_path, key, fields)
        elif type(child) is dict or type(child) is list:
            yield from unknown_fields(child, fields[key], child_path)


def closest(name: str, candidates: Mapping[str, Any] | Sequence[str]) -> str:
    """Return the candidate that `name` most likely is a misspelling of, or ""."""
    lowered = {candidate.lower(): candidate for candidate in candidates}
    return next((lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, 1)), "")


def misspelt(name: str, meant: str) -> bool:
    """Tell whether a name is most likely a misspelling of another one: they differ in a letter or two."""
    return similarity(name, meant) >= _A_LETTER_OR_TWO


def similarity(name: str, meant: str) -> float:
    """Return how alike two names are, whatever their case, from 0 to 1."""
    return difflib.SequenceMatcher(None, name.lower(), meant.lower()).ratio()


def is_struct(annotation: Any) -> bool:
    """Whether a type, as the functions here return it, is a msgspec Struct."""
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


@cache
def fields_of(annotation: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Return the fields of a struct by their names in manifests, each with its `bare` type."""
    return {field.encode_name: bare(field.type) for field in msgspec.structs.fields(annotation)}


@cache
def item_type(annotation: Any) -> Any:
    """Return the type of the items of an array type; None for any other type."""
    return bare(get_args(annotation)[0]) if get_origin(annotation) in _ARRAYS and get_args(annotation) else None


@cache
def value_type(annotation: Any) -> Any:
    """Return the type of the values of a mapping type; None for any other type."""
    return bare(get_args(annotation)[1]) if get_origin(annotation) in _MAPPINGS and get_args(annotation) else None


def bare(annotation: Any) -> Any:
    """Return a type without Annotated and Optional; of a union, the one member that may contain structs, if any."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        members = [bare(member) for member in get_args(annotation) if member is not type(None)]
        deep = [member for member in members if is_struct(member) or get_origin(member) in (*_ARRAYS, *_MAPPINGS)]
        return deep[0] if len(deep) == 1 else members[0] if len(members) == 1 else None
    return annotation
