"""Weights that are independent of mirror fractions. See decision 0003.

Envoy draws one random number `id` for a request: the request goes to the destination that `id mod total` falls on, and
a mirror of fraction N copies it when `id mod 1,000,000 < N`. The two choices are independent exactly when every N is a
multiple of gcd(total, 1,000,000); weights 100,000/900,000 with a mirror of 10 % would copy only requests to the first
destination.
"""

from collections.abc import Iterable, Sequence
from math import gcd

from mirrorplane.api.units import MILLION

_FINER = 1000
_LARGEST = 4_000_000_000
"""Envoy keeps weights and their sum in 32 bits, and rejects a route whose sum does not fit."""


def independent(weights: Sequence[int], fractions: Iterable[int]) -> list[int]:
    """Return the weights, changed only when a mirror's fraction (in parts per MILLION) would depend on them.

    Then they are refined a thousandfold, where that fits, and the largest is raised until their sum shares no factor
    with a million: no share moves by more than a few millionths.
    """
    refined = fit_weights(list(weights))
    if all(fraction % gcd(sum(refined), MILLION) == 0 for fraction in fractions):
        return refined
    if sum(refined) <= _LARGEST // _FINER:
        refined = [weight * _FINER for weight in refined]
    largest = max(range(len(refined)), key=refined.__getitem__)
    while gcd(sum(refined), MILLION) != 1:  # at most a few steps: coprime to 2 and 5 is enough
        refined[largest] += 1
    return refined


def fit_weights(weights: list[int]) -> list[int]:
    """Make weights coarser until their sum fits; none above 0 becomes 0."""
    while sum(weights) > _LARGEST:
        weights = [-(-weight // _FINER) for weight in weights]
    return weights
