"""Incremental xDS: requests add names to a subscription and remove some, and every resource has its own version.

A name that does not exist is answered at once in `removed_resources`, so that a proxy never waits for it. A proxy that
comes back lists what it holds; what it holds and we do not know is retained, and removed as vanished resources are.
"""

from mirrorplane.controlplane.xds.delivery import InFlight
from mirrorplane.controlplane.xds.frames import delta_response
from mirrorplane.controlplane.xds.requests import WILDCARD, DeltaRequest, Outcome
from mirrorplane.controlplane.xds.session import Session
from mirrorplane.controlplane.xds.subscription import Subscription


class DeltaSession(Session[DeltaRequest]):
    """The delta protocol state of one stream."""

    def receive(self, request: DeltaRequest) -> Outcome | None:
        """Handle a request: an ACK or NACK of the last response, changes to the subscription, or both."""
        sub, is_first = self._find_subscription(request.type_url, sotw=False)
        outcome = self._settle(sub, request.nonce, request.error)
        for name in self._paced(request.unsubscribe):
            self._unsubscribe(sub, name)
        self._subscribe(sub, request, is_first=is_first)
        unserved = self._begin_type(sub, resumed=bool(request.initial)) if is_first else None
        return unserved or self._without_unsubscribed(sub, outcome)

    def _subscribe(self, sub: Subscription, request: DeltaRequest, *, is_first: bool) -> None:
        names = set(request.subscribe)
        self._check_names(sub, len(sub.names) + len(names.union(request.initial)))
        # xDS protocol: a first request without names is a wildcard, of CDS and LDS only. Envoy 1.40 opens both like
        # that.
        is_legacy_wildcard = is_first and not names and sub.type.full_state
        if (WILDCARD in names or is_legacy_wildcard) and not sub.names.wildcard:
            self._add_wildcard(sub, request)
        for name in self._paced(names - {WILDCARD}):
            # Without a version the answer is due whatever it is, even to a second subscription.
            self._deliver_name(sub, name, request.initial.get(name))
        sub.names.add(self._paced(names - {WILDCARD}))
        # A fresh proxy that named nothing waits for an answer even if there is nothing to serve.
        waits_for_nothing = is_first and names <= {WILDCARD} and not request.initial
        sub.delivery.unanswered = sub.delivery.unanswered or waits_for_nothing

    def _add_wildcard(self, sub: Subscription, request: DeltaRequest) -> None:
        """Subscribe to everything that is served, and to everything the proxy lists as held."""
        for name in self._paced((self._served.names(sub.type_url) | request.initial.keys()).difference(sub.names)):
            self._deliver_name(sub, name, request.initial.get(name, ""))
        sub.names.wildcard = True

    def _deliver_name(self, sub: Subscription, name: str, held_version: str | None) -> None:
        """Start to deliver a name to a proxy that holds a version of it: "" is none, None is unknown."""
        if held_version and not self._target_version(sub, name):
            self._served.adopt_unknown(sub.type_url, name, held_version)
        version = self._target_version(sub, name)
        if not sub.names.covers(name):
            sub.add_name(name, version)
        sub.delivery.record_held(name, held_version, version)

    def _unsubscribe(self, sub: Subscription, name: str) -> None:
        if name == WILDCARD:
            self._remove_wildcard(sub)
        elif name in sub.names:
            sub.names.remove((name,))
            if sub.names.wildcard:
                # The proxy cannot know whether the wildcard still covers the name: the protocol asks for an answer.
                sub.delivery.pending[name] = None
            else:
                sub.remove_name(name, self._target_version(sub, name))

    def _remove_wildcard(self, sub: Subscription) -> None:
        """Leave the wildcard; names subscribed one by one stay."""
        if not sub.names.wildcard:
            return
        names = self._served.names(sub.type_url) | sub.delivery.pending.keys()
        sub.names.wildcard = False
        for name in self._paced(names.difference(sub.names)):
            sub.remove_name(name, self._target_version(sub, name))

    def _frame(self, sub: Subscription, flight: InFlight) -> bytes:
        pairs = [(name, self._served.get(sub.type_url, name)) for name in flight.names]
        resources = [resource for _, resource in pairs if resource]
        removed = [name for name, resource in pairs if resource is None]
        return delta_response(sub.type_url, flight.version, flight.nonce, resources, removed)
