"""Weights that do not decide what is copied.

Envoy draws one random number for a request, `id`: it goes to the destination that `id mod total` falls on, and mirror N
copies it when `id mod 1,000,000 < N`. The two choices are independent exactly when every N is a multiple of
gcd(total, 1,000,000); weights 100,000/900,000 with a mirror of 10 % would copy only what went to the first destination.
"""

from collections.abc import Iterable, Sequence
from math import gcd

from mirrorplane.api.units import MILLION

_FINER = 1000
_LARGEST = 4_000_000_000
"""Envoy counts weights and their sum in 32 bits."""


def independent(weights: Sequence[int], fractions: Iterable[int]) -> list[int]:
    """Return the weights, changed only when a mirror's fraction (in parts per MILLION) would depend on them.

    Then they are refined a thousandfold, where that fits, and the largest is raised until their sum shares no factor
    with a million: no share moves by more than a few millionths.
    """
    made = fitting(list(weights))
    if all(n % gcd(sum(made), MILLION) == 0 for n in fractions):
        return made
    if sum(made) <= _LARGEST // _FINER:
        made = [weight * _FINER for weight in made]
    largest = max(range(len(made)), key=made.__getitem__)
    while gcd(sum(made), MILLION) != 1:
        made[largest] += 1
    return made


def fitting(weights: list[int]) -> list[int]:
    """Make weights coarser until Envoy can count their sum; none above 0 becomes 0."""
    while sum(weights) > _LARGEST:
        weights = [-(-weight // _FINER) for weight in weights]
    return weights
