"""Says in a user's words what msgspec refused: owns the translation of its messages, paths and fixes.

Separate from decode because it reads msgspec's sentences; a new msgspec can only break this file and its tests.
"""

import re
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from mirrorplane.controlplane.manifests.unknown_fields import closest, fields_of, is_struct, item_type, value_type

_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.+)`")
_EXPECTED: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_ENUM: Final = re.compile(r"Invalid enum value (.+)")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_ANY_KEY: Final = "[...]"
_END: Final = r"\\Z"
"""How msgspec quotes the end of a text in a regex, where the API server says `$`."""
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "empty",
}


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field, and what to do. `path` is relative to the value converted, as kubectl spells it."""

    path: str
    message: str
    fix: str


def explain(error: msgspec.ValidationError, value: Any, of: Any) -> FieldError:
    """Return the first mistake of `value` as a person would say it; `error` is what converting it to `of` raised."""
    match = _AT.match(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    what = what.replace(_END, "$")
    before, any_key, _ = path.partition(_ANY_KEY)
    if any_key:
        return _below_mapping(before, value, of) or FieldError(before.lstrip("."), what, "")
    target, target_type = _follow(before, value, of)
    missing = _MISSING.fullmatch(what)
    if missing:
        field = f"{path}.{missing[1]}".lstrip(".")
        return FieldError(field, f"{missing[1]} is required and missing", f"add {missing[1]}")
    message, fix = _words(what, target, target_type)
    return FieldError(path.lstrip("."), message, fix)


def _below_mapping(before: str, value: Any, of: Any) -> FieldError | None:
    """Find the key that msgspec leaves out of its paths: convert each value of the mapping until one fails."""
    target, target_type = _follow(before, value, of)
    inner = value_type(target_type)
    for key, child in target.items() if isinstance(target, dict) and inner is not None else ():
        try:
            msgspec.convert(child, inner)
        except msgspec.ValidationError as error:
            below = explain(error, child, inner)
            dot = "." if below.path and not below.path.startswith("[") else ""
            return FieldError(f"{before}[{key}]{dot}{below.path}".lstrip("."), below.message, below.fix)
    return None


def _follow(path: str, value: Any, of: Any) -> tuple[Any, Any]:
    for name, index in _STEP.findall(path):
        if index and isinstance(value, list):
            value, of = value[int(index)], item_type(of)
        elif isinstance(value, dict):
            value, of = value.get(name), fields_of(of).get(name) if is_struct(of) else value_type(of)
    return value, of


def _words(what: str, value: Any, of: Any) -> tuple[str, str]:
    expected = _EXPECTED.fullmatch(what)
    if expected:
        wanted = [word for word in expected[1].split(" | ") if word != "null"]
        message = f"must be {_either(wanted)}, not {_either([expected[2]])}"
        return message, _fix(wanted, value)
    if _ENUM.fullmatch(what):
        allowed = [str(choice) for choice in get_args(of)] if get_origin(of) is Literal else []
        return f"{value!r} is not a value of this field", _choice(str(value), allowed)
    return what[:1].lower() + what[1:].replace("`", ""), ""


def _either(names: list[str]) -> str:
    return " or ".join(_WORDS.get(name, name) for name in names)


def _fix(wanted: list[str], value: Any) -> str:
    if "str" in wanted and isinstance(value, bool | int | float):
        return "write it in quotes"  # how it was written is lost: 1.10 is 1.1 by now, and yes is true
    if {"int", "float"} & set(wanted) and isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        return f"write it without quotes: {value.strip()}"
    if "int" in wanted and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if "bool" in wanted and str(value).lower() in {"true", "false"}:
        return f"write it without quotes: {str(value).lower()}"
    if "array" in wanted and not isinstance(value, list):
        return "put '- ' before it, or brackets around it"
    return ""


def _choice(value: str, allowed: list[str]) -> str:
    if not allowed:
        return ""
    meant = closest(value, allowed)
    listed = ", ".join(allowed)
    return f"write {meant} (one of {listed})" if meant else f"write one of {listed}"
