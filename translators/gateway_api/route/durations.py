"""Durations as Gateway API writes them: `1m30s`."""

import re
from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import milliseconds
from mirrorplane.translators.gateway_api.conditions import UNSUPPORTED_VALUE

# GEP-2257.
_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")


def optional_ms(text: str) -> int:
    """Return whole milliseconds; 0 for an empty text."""
    return milliseconds(text) if text else 0


def duration_findings(about: Ref, path: str, durations: Mapping[str, str]) -> Iterator[Finding]:
    """Report what the API server rejects, and what Envoy would; `durations` are by field below `path`."""
    for field, text in durations.items():
        if text and not _DURATION.fullmatch(text):
            problem = f"invalid duration {text!r}: use up to four pairs of a number and h, m, s or ms, such as 1m30s"
            yield Finding(about, "InvalidDuration", problem, f"{path}.{field}")
        # Valid for the API server, but too long for Envoy: only the rule with it fails.
        elif problem := _range_problem(text):
            yield Finding(about, UNSUPPORTED_VALUE, problem, f"{path}.{field}")


def _range_problem(text: str) -> str:
    try:
        optional_ms(text)
    except ValueError as error:
        return str(error)
    return ""
