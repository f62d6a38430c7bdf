"""Shares of requests that become routes of their own: what Envoy cannot say of one of several clusters.

Envoy draws one random number for a request, and shares and mirrors are both read off it. So each share is a range of
that number: its route takes what is below the range's end and was not taken by the routes before, and its mirrors copy
what is in the first part of the range.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

from mirrorplane.api.units import MILLION


class Share(msgspec.Struct, frozen=True):
    """The requests whose number modulo a MILLION is in a range."""

    start: int
    end: int

    def part(self, fraction: int) -> int:
        """Return below which number a fraction of this share is (both in parts per MILLION); 0 is none of it."""
        copied = round((self.end - self.start) * fraction / MILLION)
        return self.start + copied if copied else 0


WHOLE = Share(0, MILLION)


def shares(weights: Sequence[int]) -> tuple[Share, ...]:
    """Return the share of each weight. They are as exact as millionths can be, and leave nothing over."""
    total = sum(weights)
    ends = [round(MILLION * done / total) for done in accumulate(weights, initial=0)]
    return tuple(Share(start, end) for start, end in pairwise(ends))
