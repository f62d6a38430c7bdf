"""What the xDS server gets from the plane, and what comes back: an ACK or a NACK is an event, and ends as a Finding."""

import heapq
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import Resource, ResourceSet
from mirrorplane.controlplane.findings.nacks import FEW, MOST_OBJECTS, Rejected
from mirrorplane.controlplane.observe.convergence import Rounds
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.xds.feed import Offer

log = logging.getLogger(__name__)


class PlaneFeed:
    """The plane as the xDS server sees it (see xds/feed.py). `news` is called when a proxy answered or left."""

    def __init__(self, plane: Plane, metrics: Metrics, news: Callable[[], None] = lambda: None) -> None:
        self.plane, self.metrics, self.news = plane, metrics, news
        self.rounds = Rounds()
        self.origins = Origins(plane)
        self._streams: Counter[str] = Counter()

    def checkpoint(self) -> None:
        """See Feed.breathe."""
        self.plane.executor.checkpoint()

    def attach(self, proxy: Proxy, offer: Offer, variant: str) -> "PlaneLink":
        """See Feed.attach."""
        link = PlaneLink(self, proxy, offer, variant)
        self._streams[proxy.id] += 1
        self.news()
        return link

    @contextmanager
    def round(self, seen: float) -> Iterator[None]:
        """Make a change inside, seen at a time of the monotonic clock: how long it takes to arrive everywhere."""
        self.rounds.begin(seen)
        try:
            yield
        finally:
            self.converged(self.rounds.out(time.monotonic()))

    def converged(self, took: Collection[float]) -> None:
        """Note how long rounds took."""
        for seconds in took:
            self.metrics.convergence.observe(seconds)

    def left(self, proxy: Proxy) -> None:
        """Forget a stream. What a proxy said goes with its last one: an old may end after its successor began."""
        self.news()
        self._streams[proxy.id] -= 1
        if not self._streams[proxy.id]:
            del self._streams[proxy.id]
            self.plane.findings.forget_proxy(proxy.id)


class PlaneLink:
    """One stream as the plane sees it (mirrorplane.controlplane.xds.feed.Link)."""

    def __init__(self, feed: PlaneFeed, proxy: Proxy, offer: Offer, variant: str) -> None:
        self._feed, self._proxy, self._offer = feed, proxy, offer
        self._metrics = feed.metrics
        self._variant = feed.metrics.proxies.labels(variant)
        self._pending = False
        self._set: ResourceSet | None = None
        self._version = 0
        self._clean: set[str] = set()
        self._accepted: dict[str, int] = {}
        self._detach = feed.plane.publisher.attach(proxy, self._take)
        self._variant.inc()

    def pushed(self, type_url: str, size: int, seconds: float) -> None:
        """See Link.pushed."""
        traffic = self._metrics.of(type_url)
        traffic.pushes.inc()
        traffic.bytes.inc(size)
        self._metrics.push_seconds.observe(seconds)

    def acked(self, type_url: str, version: str, rejected: frozenset[str]) -> None:
        """See Link.acked. What the proxy said against other resources of this type no longer holds."""
        self._metrics.of(type_url).acks.inc()
        self._feed.plane.findings.keep_from_proxy(self._proxy.id, type_url, rejected)
        if rejected:
            self._clean.discard(type_url)
        else:
            self._clean.add(type_url)
        log.debug("%s accepted %s %s", self._proxy.id, type_url, version)

    def rejected(self, type_url: str, names: tuple[str, ...], version: str, message: str) -> None:
        """See Link.rejected."""
        self._metrics.of(type_url).rejects.inc()
        self._clean.discard(type_url)
        findings = self._feed.plane.findings
        if len(names) > FEW:
            findings.suspect_from_proxy(self._proxy.id, type_url, names, message)
        else:
            said = {name: Rejected(message) for name in names or ("",)}
            findings.from_proxy(self._proxy.id, type_url, said)
            self._feed.plane.executor.schedule(self._explain(type_url, said))
        self._feed.news()
        log.debug("%s rejected %s %s", self._proxy.id, type_url, version)

    def settled(self) -> None:
        """See Link.settled."""
        self._owe(False)
        self._feed.news()
        self._accepted.update(dict.fromkeys(self._clean, self._version))
        self._feed.converged(self._feed.rounds.settled(self, time.monotonic()))

    def leave(self) -> None:
        """See Link.leave."""
        self._detach()
        self._owe(False)
        self._variant.dec()
        self._feed.left(self._proxy)
        self._feed.converged(self._feed.rounds.settled(self, time.monotonic()))

    def _take(self, resources: ResourceSet) -> None:
        """Pass an offer on. Every one after the first is part of the round under way."""
        plane = self._feed.plane
        if self._set is None:
            self._version = plane.published
        else:
            self._feed.rounds.offered(self)
            self._skip_to(plane.snapshot.version)
        self._set = resources
        self._owe(True)
        self._offer(resources)

    def _skip_to(self, version: int) -> None:
        """Note that what was accepted of the set before held until this version changed it."""
        for type_url, accepted in self._accepted.items():
            if accepted == self._version:
                self._accepted[type_url] = version - 1
        self._version = version

    def _owe(self, pending: bool) -> None:
        if pending != self._pending:
            self._pending = pending
            self._metrics.pending.inc(1 if pending else -1)

    def _explain(self, type_url: str, said: Mapping[str, Rejected]) -> Callable[[], None]:
        """Return the work that finds out what rejected resources were made from: long, where that is a large world."""
        held = self._set.of(type_url) if self._set else {}
        rejected = [(held[name], claim) for name, claim in said.items() if name in held]
        since = self._accepted.get(type_url, 0)

        def explain() -> None:
            for resource, claim in rejected:
                origins, suspects = self._feed.origins.of(self._take, resource, since)
                explained = Rejected(claim.text, suspects, origins)
                self._feed.plane.findings.explain_from_proxy(self._proxy.id, resource, claim, explained)

        return explain


class Origins:
    """Which objects rejected resources were made from: remembered for a while, because many proxies reject alike."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._published = 0
        self._known: dict[tuple[int, int], tuple[Resource, int, tuple[Ref, ...]]] = {}

    def of(self, offer: Offer, resource: Resource, since: int) -> tuple[int, tuple[Ref, ...]]:
        """Return how many objects a proxy's resource was made from, and those that may be why it is rejected.

        Suspect are the objects that changed after a version of the world, or all when none did; at most MOST_OBJECTS.
        """
        if self._published != self._plane.published:
            self._published = self._plane.published
            self._known.clear()
        key = id(resource), since
        if key not in self._known:
            origins = self._plane.publisher.origins(offer, resource.type_url, resource.name)
            newer = [ref for ref in origins if self._plane.store.changed_at(ref) > since]
            self._known[key] = resource, len(origins), tuple(heapq.nsmallest(MOST_OBJECTS, newer or origins))
        return self._known[key][1:]
