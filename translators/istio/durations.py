"""Durations of Istio's API, and what is wrong with them."""

from collections.abc import Iterator, Mapping

from api.finding import Finding
from api.meta import Ref
from api.units import milliseconds


def optional_ms(text: str | None) -> int:
    """Return the milliseconds of a duration that was checked before; 0 when there is none."""
    return milliseconds(text) if text else 0


def duration_findings(about: Ref, path: str, said: Mapping[str, str | None]) -> Iterator[Finding]:
    """Refuse what is no duration; `said` is by field, and what is not set is not looked at."""
    for field, text in said.items():
        try:
            optional_ms(text)
        except ValueError as error:
            yield Finding(about, "InvalidDuration", str(error), f"{path}.{field}")
