"""The order between the types of one proxy: what must wait, and when what vanished may go.

Make before break: a route is sent after the clusters it names, and a cluster is removed after the routes that named it.
The types of a proxy are one stream's, or several streams' when it opens one for each type; then the streams look at
each other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from math import inf

import msgspec

from mirrorplane.api.resource import PUSH_ORDER, RESOURCE_TYPES, resource_type
from mirrorplane.controlplane.xds.served_resources import USERS, Change, ServedResources
from mirrorplane.controlplane.xds.subscription import Subscription

GATED = {row.url: PUSH_ORDER[:place] for place, row in enumerate(RESOURCE_TYPES) if row.waits}
"""The types that wait, and which types each waits for."""


class PushLimits(msgspec.Struct, frozen=True):
    """How fast a proxy is sent what changes.

    `patience`: seconds that an un-ACKed type holds back later types. `grace`: seconds that removals wait longer.
    `most`: how many resources a response brings where it need not be whole, so that none takes long to make or apply.
    """

    patience: float = 5.0
    grace: float = 0.0
    most: int = 1000


SERVED = PushLimits(grace=1.0)
"""What a server does unless it is told otherwise: requests on their way have a second before a cluster is removed."""

Others = Callable[[], Iterable["PushOrder"]]


class PushOrder:
    """The order of one stream. `others` are the gates of the same proxy's other streams.

    `resumed` says that the proxy came back with state, so that types it has not named yet may still be in use.
    """

    def __init__(self, pace: PushLimits, now: float, shelf: ServedResources, others: Others) -> None:
        self.subscriptions: Mapping[str, Subscription] = {}
        self.resumed = False
        self._pace, self._opened, self._shelf, self._others = pace, now, shelf, others
        self._looked: tuple[int, float] = (-1, inf)

    @property
    def generation(self) -> int:
        """The generation of the set that is served."""
        return self._shelf.generation

    def look(self, now: float) -> None:
        """Take in the time: how long another stream has not been offered the set that this one serves."""
        if self._looked[0] != self.generation:
            self._looked = self.generation, now

    def open(self, sub: Subscription, now: float) -> bool:
        """Say whether a type may be sent: it waits while an earlier one is not through, but not for ever."""
        return not any(
            lags or self._holds_back(earlier, now)
            for type_url in GATED.get(sub.type_url, ())
            for earlier, lags in self._of(type_url, now)
        )

    def release(self, now: float) -> Iterator[Change]:
        """Let go what vanished and is no longer used, users before used; yield what changes by that."""
        for type_url, users in USERS.items():
            if self._shelf.keeps(type_url) and all(self._quiet(user, now) for user in users):
                yield from self._shelf.release(type_url, now)

    def moments(self, now: float) -> Iterator[float]:
        """Yield the moments after which something may be sent or go, even if nothing happens until then."""
        patience = self._pace.patience
        for sub in chain(self.subscriptions.values(), *(other.subscriptions.values() for other in self._others())):
            if sub.in_flight and sub.last:
                yield sub.last.at + patience
        yield from self._shelf.due()
        if self.resumed:
            yield self._opened + patience
        if any(self._lags(other, now) for other in self._others()):
            yield self._looked[1] + patience

    def _of(self, type_url: str, now: float) -> Iterator[tuple[Subscription, bool]]:
        """Yield who has subscribed to a type, on whatever stream, and whether they have not heard of our set yet."""
        if type_url in self.subscriptions:
            yield self.subscriptions[type_url], False
        for other in self._others():
            if type_url in other.subscriptions:
                yield other.subscriptions[type_url], self._lags(other, now)

    def _lags(self, other: "PushOrder", now: float) -> bool:
        return other.generation != self.generation and now < self._looked[1] + self._pace.patience

    def _holds_back(self, sub: Subscription, now: float) -> bool:
        if sub.in_flight and sub.last:
            return now < sub.last.at + self._pace.patience
        return sub.news

    def _quiet(self, type_url: str, now: float) -> bool:
        """Say whether the proxy uses nothing of a type but what the newest set holds."""
        if self._shelf.keeps(type_url):
            return False
        found = list(self._of(type_url, now))
        # A rejected route goes on naming what the newest set lacks. A rejected listener, as a rule a port that is
        # taken, may stay rejected for ever, and must not keep everything that vanishes alive as long.
        if found:
            pins = resource_type(type_url).pins_when_rejected
            return all(not lags and (s.quiet if pins else s.answered) for s, lags in found)
        # A proxy that comes back with state names its types one by one: give it time to name this one.
        return not self.resumed or now >= self._opened + self._pace.patience
