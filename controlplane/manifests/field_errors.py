"""Says in a user's words what msgspec rejected: owns the translation of its messages, paths and fixes.

Separate from decode because it reads msgspec's sentences; a new msgspec can only break this file and its tests.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from mirrorplane.controlplane.manifests.unknown_fields import (
    closest,
    fields_of,
    is_struct,
    item_type,
    similarity,
    value_type,
)

_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.+)`")
_EXPECTED: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_ENUM: Final = re.compile(r"Invalid enum value (.+)")
_BOUND: Final = re.compile(r"Expected `(?:int|float)` (>=|<=|>|<) (.+)")
_LENGTH: Final = re.compile(r"Expected `(array|object|str)` of length (>=|<=) (\d+)")
_PATTERN: Final = re.compile(r"Expected `str` matching regex '(.*)'", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[]+)|\[([^\]]+)\]")
_ANY_KEY: Final = "[...]"
_END: Final = r"\\Z"
"""How msgspec quotes the end of a text in a regex, where the API server says `$`."""
_DURATION: Final = re.compile(r"(?i).*(?:timeout|interval|duration(?:secs)?|maxAge|ttl|ejectionTime|warmup)")
"""Fields of type string that hold a duration: users forget the unit, and YAML then reads a number."""
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_UNITS: Final = {"array": ("item", "items"), "object": ("entry", "entries"), "str": ("character", "characters")}
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_LONGEST_VALUE: Final = 60
_FEW_FIELDS: Final = 3
_NO_UNIT: Final = 'expected a duration string such as "5s"'
# A bare number from here on was hardly meant in seconds, so no unit is suggested.
_LIKELY_MILLISECONDS: Final = 1000
_A_MISSPELLING: Final = 0.8
_SIMILAR_KINDS: Final = frozenset({"BackendLBPolicy"})
"""Kinds that exist, and whose names are like one that we read."""


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field, and what to do. `path` is relative to the value converted, as kubectl spells it."""

    path: str
    message: str
    fix: str = ""


def field_error(error: msgspec.ValidationError, value: Any, target: Any, *, show_values: bool = True) -> FieldError:
    """Return the first mistake of `value`; `error` is what converting it to the type `target` raised.

    Values are quoted only with `show_values`: those of a Secret must not reach a log.
    """
    match = _AT.match(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    what, path = what.replace(_END, "$"), _bracketed(path, target)
    before, any_key, _ = path.partition(_ANY_KEY)
    if any_key:
        below = _below_mapping(before, value, target, show_values=show_values)
        return below or FieldError(before.lstrip("."), what)
    wrong, wrong_type = _follow(before, value, target)
    missing = _MISSING.fullmatch(what)
    if missing:
        name = missing[1]
        return FieldError(f"{path}.{name}".lstrip("."), f"required field {name} is missing", f"add {name}")
    got = _quoted(wrong) if show_values and wrong is not None else _type_in(what)
    message, fix = _explain(what, path, wrong_type, got)
    suggestion = _suggestion(message, wrong, wrong_type) if show_values else ""
    return FieldError(path.lstrip("."), message, suggestion or fix or (_fix(what, wrong) if show_values else ""))


def misspelt_kind(name: str, siblings: Iterable[str]) -> str:
    """Return the kind of a group that a name most likely is a misspelling of, or ""."""
    suggestion = "" if name in _SIMILAR_KINDS else closest(name, tuple(siblings))
    return suggestion if suggestion and similarity(name, suggestion) >= _A_MISSPELLING else ""


def _below_mapping(before: str, value: Any, target: Any, *, show_values: bool) -> FieldError | None:
    """Find the key that msgspec leaves out of its paths: convert each value of the mapping until one fails."""
    mapping, mapping_type = _follow(before, value, target)
    child_type = value_type(mapping_type)
    for key, child in mapping.items() if isinstance(mapping, dict) and child_type is not None else ():
        try:
            msgspec.convert(child, child_type)
        except msgspec.ValidationError as error:
            below = field_error(error, child, child_type, show_values=show_values)
            dot = "." if below.path and not below.path.startswith("[") else ""
            return FieldError(f"{before}[{key}]{dot}{below.path}".lstrip("."), below.message, below.fix)
    return None


def _follow(path: str, value: Any, target: Any) -> tuple[Any, Any]:
    """Return the value at a path, and its type."""
    for name, index in _STEP.findall(path):
        if isinstance(value, list):
            value, target = value[int(index)], item_type(target)
        elif isinstance(value, dict):
            key = name or index
            value = value.get(key)
            target = fields_of(target).get(key) if is_struct(target) else value_type(target)
    return value, target


def _bracketed(path: str, target: Any) -> str:
    """Return msgspec's path with brackets around names that have dots: `.data[tls.key]`, as kubectl spells it."""
    dotted = [name for name in fields_of(target) if "." in name] if is_struct(target) else []
    for name in dotted:
        if path == f".{name}" or path.startswith((f".{name}.", f".{name}[")):
            return f"[{name}]{path[len(name) + 1 :]}"
    step = _STEP.match(path)
    if step is None:
        return path
    child = fields_of(target).get(step[1]) if is_struct(target) and step[1] else item_type(target)
    return path[: step.end()] + _bracketed(path[step.end() :], child)


def _explain(what: str, path: str, target: Any, got: str) -> tuple[str, str]:
    """Return msgspec's sentence in our words, and the fix where it follows from the sentence alone."""
    if mistyped := _EXPECTED.fullmatch(what):
        names = [name for name in mistyped[1].split(" | ") if name != "null"]
        if names == ["str"] and mistyped[2] in {"int", "float"} and _DURATION.fullmatch(path):
            return f"{_NO_UNIT}, got {got}", "write it with a unit: s, ms, m or h"
        fix = _fields_fix(target) if names == ["object"] else ""
        return f"expected {' or '.join(_WORDS.get(name, name) for name in names)}, got {got}", fix
    if _ENUM.fullmatch(what) and get_origin(target) is Literal:
        choices = [str(choice) for choice in get_args(target)]
        suggestion = closest(got.strip('"'), choices)
        one_of = "one of " if len(choices) > 1 else ""
        return f"expected {one_of}{', '.join(choices)}, got {got}", f"write {suggestion}" if suggestion else ""
    constraint = _constraint(what)
    return f"expected {constraint}, got {got}" if constraint else what[:1].lower() + what[1:].replace("`", ""), ""


def _fields_fix(target: Any) -> str:
    """Return what to write instead of a mapping with few fields: a percentage or a port is often given as a number."""
    names = list(fields_of(target)) if is_struct(target) else []
    return f"write {{{', '.join(f'{name}: …' for name in names)}}}" if 0 < len(names) <= _FEW_FIELDS else ""


def _suggestion(message: str, value: Any, target: Any) -> str:
    """Return what to write for a bare number whose unit or only field is missing, or "": `5s`, `{value: 50}`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    if message.startswith(_NO_UNIT) and isinstance(value, int | float):
        return f"write {value}s" if value < _LIKELY_MILLISECONDS else ""
    names = list(fields_of(target)) if is_struct(target) else []
    shown = _quoted(value) if isinstance(value, str) else value
    return f"write {{{names[0]}: {shown}}}" if len(names) == 1 else ""


def _constraint(what: str) -> str:
    """Return what a value has to fulfil besides its type, or "" for a sentence that is about something else."""
    if bound := _BOUND.fullmatch(what):
        return f"{_BOUNDS[bound[1]]} {bound[2]}"
    if length := _LENGTH.fullmatch(what):
        return f"{_BOUNDS[length[2]]} {_count(int(length[3]), _UNITS[length[1]])}"
    pattern = _PATTERN.fullmatch(what)
    return f"a string that matches {pattern[1]}" if pattern else ""


def _fix(what: str, value: Any) -> str:
    mistyped = _EXPECTED.fullmatch(what)
    names = set(mistyped[1].split(" | ")) if mistyped else set()
    if "str" in names and isinstance(value, bool | int | float):
        return "write it in quotes"  # how it was written is lost: 1.10 is 1.1 by now, and yes is true
    if {"int", "float"} & names and isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        return f"write it without quotes: {value.strip()}"
    if "int" in names and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if "bool" in names and str(value).lower() in {"true", "false"}:
        return f"write it without quotes: {str(value).lower()}"
    if "array" in names and not isinstance(value, list):
        return "write '- ' before it, or brackets around it"
    return ""


def _quoted(value: Any) -> str:
    """Return a value as YAML would have it, or its type where that is long."""
    if isinstance(value, str):
        text = msgspec.json.encode(value).decode()
        return text if len(text) <= _LONGEST_VALUE else f"a string of {_count(len(value), _UNITS['str'])}"
    if isinstance(value, list | dict):
        noun = "list" if isinstance(value, list) else "mapping"
        units = _UNITS["array" if isinstance(value, list) else "object"]
        return f"a {noun} of {_count(len(value), units)}" if value else f"an empty {noun}"
    return msgspec.json.encode(value).decode()


def _type_in(what: str) -> str:
    """Return the type that msgspec's sentence names, for a value that must not be quoted, or was not found."""
    mistyped = _EXPECTED.fullmatch(what)
    return _WORDS.get(mistyped[2], mistyped[2]) if mistyped else "another value"


def _count(number: int, units: tuple[str, str]) -> str:
    return f"{number:,} {units[0] if number == 1 else units[1]}"
