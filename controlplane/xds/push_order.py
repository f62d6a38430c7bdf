"""The order between the types of one proxy: what must wait, and when a vanished resource may be removed.

Make before break: a route is sent after the clusters it names, and a cluster is removed after the routes that named it.
The types of a proxy share one stream (ADS), or have a stream each; then the streams look at each other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from math import inf

import msgspec

from mirrorplane.api.resource import PUSH_ORDER, RESOURCE_TYPES, resource_type
from mirrorplane.controlplane.xds.served_resources import USERS, ResourceChange, ServedResources
from mirrorplane.controlplane.xds.subscription import Subscription

GATED = {row.url: PUSH_ORDER[:place] for place, row in enumerate(RESOURCE_TYPES) if row.waits}
"""The types that wait, and which types each waits for."""


class PushLimits(msgspec.Struct, frozen=True):
    """How fast changes are pushed to a proxy.

    `ack_timeout`: seconds for which a type that is not ACKed holds back later types. `grace`: seconds that removals
    wait longer (decision 0046). `max_resources`: resources per response where it need not hold all, so that none takes
    long to make or to apply (decision 0042).
    """

    ack_timeout: float = 5.0
    grace: float = 0.0
    max_resources: int = 1000


SERVER_LIMITS = PushLimits(grace=1.0)
"""The server's defaults: requests in flight have a second before their cluster is removed."""

Siblings = Callable[[], Iterable["PushOrder"]]


class PushOrder:
    """The order of one stream. `siblings` returns the orders of the same proxy's other streams.

    `resumed`: the proxy reconnected with state, so types that it has not subscribed to yet may still be in use.
    """

    def __init__(self, limits: PushLimits, now: float, served: ServedResources, siblings: Siblings) -> None:
        self.subscriptions: Mapping[str, Subscription] = {}
        self.resumed = False
        self._limits, self._opened, self._served, self._siblings = limits, now, served, siblings
        self._observed: tuple[int, float] = (-1, inf)

    @property
    def generation(self) -> int:
        """The generation of the set that is served."""
        return self._served.generation

    def observe(self, now: float) -> None:
        """Note when this stream's set was first seen: siblings that have not been offered it lag behind from then."""
        if self._observed[0] != self.generation:
            self._observed = self.generation, now

    def is_open(self, sub: Subscription, now: float) -> bool:
        """Tell whether a type may be sent: it waits while an earlier type is not through, for at most `ack_timeout`."""
        return not any(
            lags or self._holds_back(earlier, now)
            for type_url in GATED.get(sub.type_url, ())  # most types wait for none: this is empty for them
            for earlier, lags in self._subscribers(type_url, now)
        )

    def release(self, now: float) -> Iterator[ResourceChange]:
        """Remove vanished resources that are no longer used, users before used; yield the changes that makes."""
        for type_url, users in USERS.items():
            if self._served.retains(type_url) and all(self._idle(user, now) for user in users):
                yield from self._served.release(type_url, now)

    def moments(self, now: float) -> Iterator[float]:
        """Yield the moments after which something may be sent or removed even if nothing happens until then."""
        ack_timeout = self._limits.ack_timeout
        for sub in chain(self.subscriptions.values(), *(order.subscriptions.values() for order in self._siblings())):
            if sub.delivery.in_flight and sub.delivery.last:
                yield sub.delivery.last.since + ack_timeout
        yield from self._served.release_times()
        if self.resumed:
            yield self._opened + ack_timeout
        if any(self._lags(order, now) for order in self._siblings()):
            yield self._observed[1] + ack_timeout

    def _subscribers(self, type_url: str, now: float) -> Iterator[tuple[Subscription, bool]]:
        """Yield the subscriptions to a type on all streams, and whether their stream lags behind this one's set."""
        if type_url in self.subscriptions:
            yield self.subscriptions[type_url], False
        for order in self._siblings():
            if type_url in order.subscriptions:
                yield order.subscriptions[type_url], self._lags(order, now)

    def _lags(self, sibling: "PushOrder", now: float) -> bool:
        return sibling.generation != self.generation and now < self._observed[1] + self._limits.ack_timeout

    def _holds_back(self, sub: Subscription, now: float) -> bool:
        delivery = sub.delivery
        if delivery.in_flight and delivery.last:
            return now < delivery.last.since + self._limits.ack_timeout
        return sub.has_pending

    def _idle(self, type_url: str, now: float) -> bool:
        """Tell whether the proxy uses nothing of a type but what the newest set holds."""
        if self._served.retains(type_url):
            return False
        subscribers = list(self._subscribers(type_url, now))
        if subscribers:
            # A rejected route still names what the newest set lacks; a rejected listener does not (decision 0018).
            pins = resource_type(type_url).pins_when_rejected
            return all(not lags and (sub.idle if pins else sub.answered) for sub, lags in subscribers)
        # A reconnecting proxy with state names its types one by one: give it time to name this one.
        return not self.resumed or now >= self._opened + self._limits.ack_timeout
