"""Reads as much of a wrong manifest as can be decoded: owns what is taken out, so that all errors are reported.

Separate from decode because it is about values and types alone. See decision 0136.
"""

import copy
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Generic, Literal, TypeVar, get_args, get_origin

import msgspec

from mirrorplane.api.meta import AnyObject
from mirrorplane.controlplane.manifests.field_errors import FieldError, field_error
from mirrorplane.controlplane.manifests.unknown_fields import fields_of, is_struct, item_type, value_type

MOST_ERRORS: Final = 20
"""How many errors of one manifest are reported. A manifest with more is of another version, or no manifest."""

_MOST_ATTEMPTS: Final = 100
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
_EMPTY: Final[Mapping[Any, Any]] = {str: "", bool: False, int: 0, float: 0.0}
T = TypeVar("T")
Steps = tuple[str, ...]
"""A path, step by step: `spec.http[0].match` is ("spec", "http", "0", "match")."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An object that is rejected, without the values that are wrong. `gaps` are the paths of those."""

    object: AnyObject
    gaps: tuple[str, ...] = ()

    def is_near_gap(self, path: str) -> bool:
        """Tell whether a field contains a gap, or is inside one: what is wrong there may only be the gap."""
        steps = path_steps(path)
        return any(_is_prefix(steps, gap) or _is_prefix(gap, steps) for gap in map(path_steps, self.gaps))


class Conversion(msgspec.Struct, Generic[T], frozen=True):
    """A value as far as it could be converted (None: not at all), and what is wrong with it."""

    value: T | None
    errors: tuple[FieldError, ...] = ()


def convert_tolerantly(value: Any, target: type[T], *, show_values: bool = True) -> Conversion[T]:
    """Convert a plain value to a type, without the parts that are wrong. Never edits it.

    Values are quoted in messages only with `show_values`.
    """
    errors: list[FieldError] = []
    gaps: set[Steps] = set()
    for _ in range(_MOST_ATTEMPTS):
        try:
            return Conversion(msgspec.convert(value, target), tuple(errors))
        except msgspec.ValidationError as failure:
            error = field_error(failure, value, target, show_values=show_values)
        if not errors:
            value = copy.deepcopy(value)
        gap = path_steps(error.path)
        if not any(_is_prefix(known, gap) for known in gaps):
            errors.append(error)
        while gap in gaps:  # the value taken out is not what was wrong, or an empty one is not allowed either
            gap = gap[:-1]
        if not gap or len(errors) == MOST_ERRORS:
            break
        gaps.add(gap)
        _take_out(value, target, gap)
    return Conversion(None, tuple(errors))


def path_steps(path: str) -> Steps:
    """Return the steps of a path as kubectl spells it."""
    return tuple(name or index for name, index in _STEP.findall(path))


def _is_prefix(start: Steps, steps: Steps) -> bool:
    return steps[: len(start)] == start


def _take_out(value: Any, target: Any, gap: Steps) -> None:
    """Remove a value from its collection, or put an empty one there if the type demands one or positions would move."""
    *above, last = gap
    for step in above:
        value, target = _child(value, target, step)
    if isinstance(value, list):
        value[int(last)] = _empty(item_type(target))
    elif isinstance(value, dict) and is_struct(target) and last in _required(target):
        value[last] = _empty(fields_of(target)[last])
    elif isinstance(value, dict):
        value.pop(last, None)


def _child(value: Any, target: Any, step: str) -> tuple[Any, Any]:
    if isinstance(value, list):
        return value[int(step)], item_type(target)
    if isinstance(value, dict):
        return value.get(step), fields_of(target).get(step) if is_struct(target) else value_type(target)
    return None, None


def _empty(annotation: Any) -> Any:
    """Return an empty value of a type. Where it is none, the collection around it is taken out next."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if is_struct(annotation) or value_type(annotation) is not None:
        return {}
    return [] if item_type(annotation) is not None else _EMPTY.get(annotation, "")


@cache
def _required(struct: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(struct) if field.required)
