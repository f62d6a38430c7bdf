"""Split -> routes that share a match: what Envoy cannot do for one of several weighted clusters.

Envoy draws one random number for a request, and both `runtime_fraction` and mirror fractions are read off it. So each
branch is a range of that number: its route takes what lies below the range's end and was not taken by the routes
before it, and its mirrors copy the first part of the range. That keeps sampling unbiased on every branch.
See decision 0108.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import msgspec

from mirrorplane.api.actions import Answer, Redirect
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.routes import Forward, Route, Split
from mirrorplane.api.units import MILLION


class Share(msgspec.Struct, frozen=True):
    """The requests whose number modulo a MILLION lies in a range."""

    start: int
    end: int

    def threshold(self, fraction: int) -> int:
        """Return below which number a fraction of this share lies (both in parts per MILLION); 0 is none of it."""
        width = round((self.end - self.start) * fraction / MILLION)
        return self.start + width if width else 0


def expand_split(route: Route) -> tuple[Route, ...]:
    """Return a route for each branch that gets requests, in order; the last one matches all that is left."""
    split = route.action
    return tuple(_routes(route, split)) if isinstance(split, Split) else (route,)


def shares(weights: Sequence[int]) -> tuple[Share, ...]:
    """Return the share of each weight, exact to a millionth and without gaps. At least one is above 0."""
    total = sum(weights)
    ends = [round(MILLION * done / total) for done in accumulate(weights, initial=0)]
    return tuple(Share(start, end) for start, end in pairwise(ends))


def _routes(route: Route, split: Split) -> Iterator[Route]:
    for branch, share in zip(split.branches, shares([branch.weight for branch in split.branches]), strict=True):
        # A weight of less than a millionth of the sum gets no number at all.
        if share.end > share.start:
            yield msgspec.structs.replace(
                route,
                match=msgspec.structs.replace(route.match, fraction=share.end),
                action=_sampled(branch.action, share),
                headers=route.headers.plus(branch.headers),
            )


def _sampled(action: Forward | Redirect | Answer, share: Share) -> Forward | Redirect | Answer:
    """Return an action whose mirrors copy their fraction of a share instead of all requests."""
    if not isinstance(action, Forward) or not action.mirrors:
        return action
    return msgspec.structs.replace(action, mirrors=tuple(_mirrors(action.mirrors, share)))


def _mirrors(mirrors: Sequence[Mirror], share: Share) -> Iterator[Mirror]:
    for mirror in mirrors:
        if threshold := share.threshold(mirror.fraction):
            yield msgspec.structs.replace(mirror, fraction=threshold)
