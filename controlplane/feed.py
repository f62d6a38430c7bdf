"""What the xDS server gets from the plane, and what it reports back: an event such as a NACK ends as a Finding."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.engine.executor import CooperativeExecutor
from mirrorplane.controlplane.events.events import ProxyAnswered, ProxyConnected, ProxyLeft, ProxyRejected
from mirrorplane.controlplane.findings.nacks import MOST_NAMED, Rejection
from mirrorplane.controlplane.observe.convergence import ConvergenceTracker
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.publish.origins import OriginCache
from mirrorplane.controlplane.publish.scope_clients import TooManyScopesError
from mirrorplane.controlplane.xds.feed import LimitError, Offer

log = logging.getLogger(__name__)
T = TypeVar("T")


class PlaneFeed:
    """The plane as the xDS server sees it (xds/feed.py). What proxies do becomes events of the plane."""

    def __init__(self, plane: Plane, metrics: Metrics) -> None:
        self.plane, self.metrics = plane, metrics
        self.rounds = ConvergenceTracker()
        self.origins = OriginCache(plane.publisher, plane.store, lambda: plane.published)
        self._streams: Counter[str] = Counter()
        # Apart from the plane's executor: no request waits for a build, nor a build for requests of many names.
        self._requests = CooperativeExecutor(plane.executor.slice_s)

    def checkpoint(self) -> None:
        """See Feed.checkpoint."""
        self.plane.executor.checkpoint()
        self._requests.checkpoint()

    async def run(self, work: Callable[[], T]) -> T:
        """See Feed.run."""
        return await self._requests.run(work)

    def attach(self, proxy: Proxy, offer: Offer, variant: str, client: str = "") -> "PlaneLink":
        """See Feed.attach. A client without a name has no limits."""
        try:
            link = PlaneLink(self, proxy, offer, variant, client)
        except TooManyScopesError as error:
            raise LimitError(str(error)) from error
        self._streams[proxy.id] += 1
        self.plane.events.publish(ProxyConnected(proxy.id, variant))
        return link

    @contextmanager
    def round(self, seen_at: float) -> Iterator[None]:
        """Make a change inside, seen at a time of the monotonic clock, to measure how long it takes to arrive."""
        self.rounds.begin(seen_at)
        try:
            yield
        finally:
            self.record_convergence(self.rounds.all_offered(time.monotonic()))

    def record_convergence(self, durations: Collection[float]) -> None:
        """Record how many seconds rounds took until every proxy had answered. See decision 0032."""
        for seconds in durations:
            self.metrics.convergence.observe(seconds)

    def detach(self, proxy: Proxy) -> None:
        """Forget a stream. What a proxy rejects is forgotten with its last one: a successor may have begun before."""
        self.plane.events.publish(ProxyLeft(proxy.id))
        self._streams[proxy.id] -= 1
        if not self._streams[proxy.id]:
            del self._streams[proxy.id]
            self.plane.findings.nacks.forget(proxy.id)


class PlaneLink:
    """One stream as the plane sees it (Link in xds/feed.py)."""

    def __init__(self, feed: PlaneFeed, proxy: Proxy, offer: Offer, variant: str, client: str = "") -> None:
        self._feed, self._proxy, self._offer = feed, proxy, offer
        self._metrics = feed.metrics
        self._variant = feed.metrics.proxies.labels(variant)
        self._pending = False
        self._set: ResourceSet | None = None
        self._version = 0
        self._types_without_nack: set[str] = set()
        self._accepted: dict[str, int] = {}
        self._detach = feed.plane.publisher.attach(proxy, self._offer_set, client)
        self._has_accepted = False
        self._variant.inc()
        self._metrics.connects.labels(variant).inc()

    def pushed(self, type_url: str, size: int, seconds: float) -> None:
        """See Link.pushed."""
        traffic = self._metrics.traffic_of(type_url)
        traffic.pushes.inc()
        traffic.bytes.inc(size)
        self._metrics.push_seconds.observe(seconds)

    def acked(self, type_url: str, version: str, rejected: frozenset[str]) -> None:
        """See Link.acked. Findings on other resources of the type are resolved."""
        self._metrics.traffic_of(type_url).acks.inc()
        if not self._has_accepted:
            self._has_accepted = True
            self._feed.plane.publisher.accept(self._offer_set)
        self._feed.plane.findings.nacks.keep(self._proxy.id, type_url, rejected)
        if rejected:
            self._types_without_nack.discard(type_url)
        else:
            self._types_without_nack.add(type_url)
        log.debug("%s accepted %s %s", self._proxy.id, type_url, version)

    def rejected(self, type_url: str, names: tuple[str, ...], version: str, message: str) -> None:
        """See Link.rejected."""
        self._metrics.traffic_of(type_url).rejects.inc()
        self._types_without_nack.discard(type_url)
        nacks = self._feed.plane.findings.nacks
        if len(names) > MOST_NAMED:
            nacks.suspect(self._proxy.id, type_url, names, message)
        else:
            claims = {name: Rejection(message) for name in names or ("",)}
            nacks.add(self._proxy.id, type_url, claims)
            # Finding the origins may take seconds in a large world: work that pauses, and not here (decision 0044).
            self._feed.plane.executor.schedule(self._explain(type_url, claims))
        self._feed.plane.events.publish(ProxyRejected(self._proxy.id, type_url))
        log.debug("%s rejected %s %s", self._proxy.id, type_url, version)

    def settled(self) -> None:
        """See Link.settled."""
        self._set_pending(False)
        self._feed.plane.events.publish(ProxyAnswered(self._proxy.id))
        self._accepted.update(dict.fromkeys(self._types_without_nack, self._version))
        self._feed.record_convergence(self._feed.rounds.stream_done(self, time.monotonic()))

    def leave(self) -> None:
        """See Link.leave."""
        self._detach()
        self._set_pending(False)
        self._variant.dec()
        self._feed.detach(self._proxy)
        self._feed.record_convergence(self._feed.rounds.stream_done(self, time.monotonic()))

    def _offer_set(self, resources: ResourceSet) -> None:
        """Pass an offer on. Every one after the first is part of the current round."""
        plane = self._feed.plane
        if self._set is None:
            self._version = plane.published
        else:
            self._feed.rounds.add_stream(self)
            self._advance(plane.snapshot.version)
        self._set = resources
        self._set_pending(True)
        self._offer(resources)

    def _advance(self, version: int) -> None:
        """Note that what was accepted of the previous set was current until this version of the snapshot."""
        for type_url, accepted in self._accepted.items():
            if accepted == self._version:
                self._accepted[type_url] = version - 1
        self._version = version

    def _set_pending(self, pending: bool) -> None:
        if pending != self._pending:
            self._pending = pending
            self._metrics.pending.inc(1 if pending else -1)

    def _explain(self, type_url: str, claims: Mapping[str, Rejection]) -> Callable[[], None]:
        """Return the work that adds to claims which objects the rejected resources were made from."""
        resources = self._set.of_type(type_url) if self._set else {}
        rejected = [(resources[name], claim) for name, claim in claims.items() if name in resources]
        since = self._accepted.get(type_url, 0)

        def explain() -> None:
            for resource, claim in rejected:
                origins = self._feed.origins.find(self._offer_set, resource, since)
                explained = Rejection(claim.message, origins.candidates, origins.count)
                self._feed.plane.findings.nacks.explain(self._proxy.id, resource, claim, explained)

        return explain
