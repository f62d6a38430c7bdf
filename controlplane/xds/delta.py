"""Incremental xDS: requests say what is added to and taken from a subscription, and every resource has its version.

A name that does not exist is answered at once in `removed_resources`, so a proxy never waits for it. A proxy that comes
back says what it holds; what it holds and we do not know goes the way of everything that vanished.
"""

from mirrorplane.controlplane.xds.frames import delta_response
from mirrorplane.controlplane.xds.requests import MAX_NAMES, WILDCARD, DeltaRequest, Outcome, ProtocolError
from mirrorplane.controlplane.xds.session import Session
from mirrorplane.controlplane.xds.subscription import InFlight, Subscription


class DeltaSession(Session[DeltaRequest]):
    """The delta protocol state of one stream."""

    def receive(self, request: DeltaRequest) -> Outcome | None:
        """Take a request: an ACK or NACK of the last response, changes to the subscription, or both."""
        sub, first = self._subscription(request.type_url)
        outcome = self._reply(sub, request.nonce, request.error)
        for name in request.unsubscribe:
            self._remove(sub, name)
        self._subscribe(sub, request, first=first)
        unserved = self._first(sub, resumed=bool(request.initial)) if first else None
        return unserved or self._said(sub, outcome)

    def _subscribe(self, sub: Subscription, request: DeltaRequest, *, first: bool) -> None:
        names = set(request.subscribe)
        if len(sub.names) + len(names) > MAX_NAMES:
            raise ProtocolError(f"more than {MAX_NAMES} names of {sub.type_url}")
        implied = first and not names and sub.type.full_state
        if (WILDCARD in names or implied) and not sub.wildcard:
            self._widen(sub, request)
        for name in names - {WILDCARD}:
            # Without a version the answer is due whatever it is, even to a second subscription.
            self._cover(sub, name, request.initial.get(name))
        sub.names.add(names - {WILDCARD})
        # A fresh proxy that named nothing waits for an answer even if there is nothing to serve.
        sub.unanswered = sub.unanswered or (first and names <= {WILDCARD} and not request.initial)

    def _widen(self, sub: Subscription, request: DeltaRequest) -> None:
        """Subscribe to everything there is, and to everything the proxy says it holds."""
        for name in (self._shelf.names(sub.type_url) | request.initial.keys()).difference(sub.names):
            self._cover(sub, name, request.initial.get(name, ""))
        sub.wildcard = True

    def _cover(self, sub: Subscription, name: str, held: str | None) -> None:
        """Owe a name to a proxy that holds a version of it: "" is none, None is unknown."""
        if held and not self._wanted(sub, name):
            self._shelf.adopt(sub.type_url, name, held)
        wanted = self._wanted(sub, name)
        if not sub.covers(name):
            sub.cover(name, wanted)
        sub.owe(name, held, wanted)

    def _remove(self, sub: Subscription, name: str) -> None:
        if name == WILDCARD:
            self._narrow(sub)
        elif name in sub.names:
            sub.names.remove((name,))
            if sub.wildcard:
                sub.owed[name] = None  # The proxy cannot know whether the wildcard still covers it, so it is told.
            else:
                sub.uncover(name, self._wanted(sub, name))

    def _narrow(self, sub: Subscription) -> None:
        """Leave the wildcard; names subscribed one by one stay."""
        names = self._shelf.names(sub.type_url) | sub.owed.keys() if sub.wildcard else set()
        sub.wildcard = False
        for name in names.difference(sub.names):
            sub.uncover(name, self._wanted(sub, name))

    def _frame(self, sub: Subscription, flight: InFlight) -> bytes:
        found = [self._shelf.get(sub.type_url, name) for name in flight.names]
        resources = [resource for resource in found if resource]
        removed = [name for name, resource in zip(flight.names, found, strict=True) if resource is None]
        return delta_response(sub.type_url, flight.version, flight.nonce, resources, removed)
