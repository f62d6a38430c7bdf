"""Durations of Istio's API, and what is wrong with them."""

from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import milliseconds


def optional_ms(text: str | None) -> int:
    """Return the milliseconds of a duration that was checked before; 0 when there is none."""
    return milliseconds(text) if text else 0


def duration_findings(
    about: Ref, path: str, said: Mapping[str, str | None], *, positive: bool = False
) -> Iterator[Finding]:
    """Refuse what is no duration, or, where it must be `positive`, 0s.

    `said` is by field, and what is not set is not looked at.
    """
    for field, text in said.items():
        problem = _problem(text, positive=positive) if text else ""
        if problem:
            yield Finding(about, "InvalidDuration", problem, f"{path}.{field}")


def _problem(text: str, *, positive: bool) -> str:
    try:
        found = milliseconds(text)
    except ValueError as error:
        return str(error)
    return "the duration must be longer than 0s" if positive and not found else ""
