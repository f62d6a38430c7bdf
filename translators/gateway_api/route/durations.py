"""Durations as Gateway API writes them: `1m30s`."""

import re
from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import milliseconds

_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")


def optional_ms(text: str) -> int:
    """Return whole milliseconds; 0 where nothing is said."""
    return milliseconds(text) if text else 0


def duration_findings(about: Ref, path: str, said: Mapping[str, str]) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would; fields are named below `path`."""
    for field, text in said.items():
        if problem := _problem(text):
            yield Finding(about, "InvalidDuration", problem, f"{path}.{field}")


def _problem(text: str) -> str:
    if text and not _DURATION.fullmatch(text):
        return f"{text!r} is no duration: up to four of a number and h, m, s or ms, for example 1m30s"
    try:
        optional_ms(text)
    except ValueError as error:
        return str(error)
    return ""
