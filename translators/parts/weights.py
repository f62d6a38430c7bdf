"""Weights that do not decide what is copied.

Envoy draws one random number for a request, `id`: it goes to the destination that `id mod total` falls on, and mirror N
copies it when `id mod 1,000,000 < N`. The two choices are independent exactly when every N is a multiple of
gcd(total, 1,000,000); weights 100,000/900,000 with a mirror of 10 % would copy only what went to the first destination.
"""

from collections.abc import Iterable, Sequence
from math import gcd

from api.mesh import MILLION

_FINER = 1000
_LARGE = 1_000_000


def independent(weights: Sequence[int], fractions: Iterable[int]) -> list[int]:
    """Return the weights, changed only when a mirror's fraction (in parts per MILLION) would depend on them.

    Then they are refined a thousandfold and the largest is raised until their sum shares no factor with a million:
    no share moves by more than a few millionths.
    """
    total = sum(weights)
    if all(n % gcd(total, MILLION) == 0 for n in fractions):
        return list(weights)
    finer = [w * _FINER if total <= _LARGE else w for w in weights]
    largest = max(range(len(finer)), key=finer.__getitem__)
    while gcd(sum(finer), MILLION) != 1:
        finer[largest] += 1
    return finer
