"""The value of an unquoted YAML scalar: owns the rules of Kubernetes' YAML reader, which differ from PyYAML's.

The rules are those of `goyaml.v2/resolve.go` in kubernetes-sigs/yaml. Separate from the document reader because it is a
pure table: dates and base-60 numbers (`22:22`) stay strings, `017` is octal, `1_000` a number. One difference:
infinities and NaN stay strings, because JSON, and so Kubernetes, cannot represent them.
"""

import math
import re
from typing import Any, Final

Scalar = str | int | float | bool | None

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_NULL = ("", "~", "null", "Null", "NULL")
WORDS: Final[dict[str, bool | None]] = (
    dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False) | dict.fromkeys(_NULL, None)
)
_NUMBER_START: Final = frozenset("0123456789+-.")
_INTEGER: Final = re.compile(r"([-+]?)(?:0[bB]([01]+)|0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES: Final = (2, 16, 8, 10)
# Go's int64 and uint64; its YAML reader makes doubles of other integers.
_INTEGERS: Final = range(-(1 << 63), 1 << 64)
# A double has at most 309 digits before the point, and Python takes quadratic time to read a long integer.
_LONGEST_NUMBER: Final = 400

_TAG_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
}
TAG_PREFIX: Final = "tag:yaml.org,2002:"


def resolve(text: str) -> Scalar:
    """Return the value of a plain (unquoted, untagged) scalar."""
    if text in WORDS:
        return WORDS[text]
    if text[0] in _NUMBER_START and len(text) <= _LONGEST_NUMBER:
        return _number(text)
    return text


def resolve_tagged(tag: str, text: str) -> Any:
    """Return the value of a scalar with an explicit tag. Raises ValueError, with a sentence for users."""
    short = tag.removeprefix(TAG_PREFIX)
    if short in {"str", "!"}:
        return text
    if short == tag or short not in _TAG_TYPES:
        raise ValueError(f"the YAML tag {show_tag(tag)} is not supported; remove it")
    value = resolve(text)
    if type(value) not in _TAG_TYPES[short]:
        raise ValueError(f"{text!r} is not a valid {show_tag(tag)} value")
    return float(value) if short == "float" and isinstance(value, int) else value


def show_tag(tag: str) -> str:
    """Return the tag as users write it: `!!int` for `tag:yaml.org,2002:int`."""
    return f"!!{tag.removeprefix(TAG_PREFIX)}" if tag.startswith(TAG_PREFIX) else tag


def _number(text: str) -> Scalar:
    digits = text.replace("_", "")
    integer = _INTEGER.fullmatch(digits)
    if integer:
        value = _integer(integer)
        return value if value in _INTEGERS else float(value)
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return text if math.isinf(number) else number
    return text


def _integer(match: re.Match[str]) -> int:
    sign, *parts = match.groups()
    base, digits = next((base, part) for base, part in zip(_BASES, parts, strict=True) if part is not None)
    return -int(digits, base) if sign == "-" else int(digits, base)
