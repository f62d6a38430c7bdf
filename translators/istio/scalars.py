"""Durations and whole numbers of Istio's API, and their findings."""

from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import milliseconds

NUMBERS = range(1 << 31)
"""The range of Istio's int32 fields; 0 is unset."""


def optional_ms(text: str | None) -> int:
    """Return the milliseconds of a validated duration; 0 when it is unset."""
    return milliseconds(text) if text else 0


def duration_findings(
    about: Ref, path: str, durations: Mapping[str, str | None], *, positive: bool = False
) -> Iterator[Finding]:
    """Refuse invalid durations, and 0s where they must be `positive`. `durations` is by field."""
    for field, text in durations.items():
        problem = _duration_problem(text, positive=positive) if text else ""
        if problem:
            yield Finding(about, "InvalidDuration", problem, f"{path}.{field}")


def number_findings(
    about: Ref, path: str, numbers: Mapping[str, int | None], allowed: range = NUMBERS
) -> Iterator[Finding]:
    """Refuse numbers outside a range. `numbers` is by field; None is unset and skipped."""
    for field, number in numbers.items():
        if number is not None and number not in allowed:
            message = f"{number} is not in {allowed[0]}..{allowed[-1]}"
            yield Finding(about, "InvalidNumber", message, f"{path}.{field}")


def _duration_problem(text: str, *, positive: bool) -> str:
    try:
        parsed = milliseconds(text)
    except ValueError as error:
        return str(error)
    return "the duration must be longer than 0s" if positive and not parsed else ""
