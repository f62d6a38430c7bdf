"""What the xDS server gets from the plane, and what comes back: an ACK or a NACK is an event, and ends as a Finding."""

import logging
from collections import Counter
from collections.abc import Callable

from api.finding import Finding
from api.meta import Ref
from api.proxy import Proxy
from api.resource import ResourceSet
from controlplane.observe.metrics import Metrics
from controlplane.plane import Plane
from controlplane.xds.feed import Rejection

log = logging.getLogger(__name__)


class PlaneFeed:
    """The plane as the xDS server sees it (controlplane.xds.feed.Feed)."""

    def __init__(self, plane: Plane, metrics: Metrics) -> None:
        self._plane, self._metrics = plane, metrics
        self._streams: Counter[str] = Counter()

    def attach(self, proxy: Proxy, offer: Callable[[ResourceSet], None]) -> Callable[[], None]:
        """See Feed.attach. What a proxy said goes when it goes."""
        detach = self._plane.publisher.attach(proxy, offer)
        self._streams[proxy.id] += 1

        def leave() -> None:
            detach()
            self._streams[proxy.id] -= 1
            if not self._streams[proxy.id]:  # an old stream may end after its successor began
                del self._streams[proxy.id]
                self._plane.ledger.forget_proxy(proxy.id)

        return leave

    def acked(self, proxy_id: str, type_url: str, version: str, rejected: frozenset[str]) -> None:
        """See Feed.acked. What the proxy said against other resources of this type no longer holds."""
        self._metrics.acks.labels(_short(type_url)).inc()
        self._plane.ledger.keep_from_proxy(proxy_id, type_url, rejected)
        log.debug("%s accepted %s %s", proxy_id, _short(type_url), version)

    def rejected(self, rejection: Rejection) -> None:
        """See Feed.rejected."""
        kind = _short(rejection.type_url)
        self._metrics.rejects.labels(kind).inc()
        message = f"{rejection.proxy_id} rejected this and goes on with the last good one: {rejection.message}"
        said = [Finding(Ref(kind, "", name), "Rejected", message) for name in rejection.names or ("",)]
        self._plane.ledger.from_proxy(rejection.proxy_id, rejection.type_url, said)


def _short(type_url: str) -> str:
    return type_url.rpartition(".")[2]
