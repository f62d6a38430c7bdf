"""Whole numbers of Istio's API, and what is wrong with them."""

from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref

NUMBERS = range(1 << 31)
"""What Istio's int32 fields can hold; 0 is not set."""


def number_findings(
    about: Ref, path: str, said: Mapping[str, int | None], allowed: range = NUMBERS
) -> Iterator[Finding]:
    """Refuse what is out of a range; `said` is by field, and what is not set is not looked at."""
    for field, number in said.items():
        if number is not None and number not in allowed:
            message = f"{number} is not in {allowed[0]}..{allowed[-1]}"
            yield Finding(about, "InvalidNumber", message, f"{path}.{field}")
