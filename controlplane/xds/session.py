"""What SotW and delta share: subscriptions, what is owed, what is pushed next.

A session is the protocol state of one stream. It is a pure step machine: requests, sets and the time come in, outcomes
and response bytes come out. It never waits; the transport asks `next` whenever it can take another message.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

from mirrorplane.api.resource import PUSH_ORDER, ResourceSet
from mirrorplane.controlplane.xds.push_order import Others, PushLimits, PushOrder
from mirrorplane.controlplane.xds.requests import Ack, Nack, Outcome, ProtocolError, Unserved
from mirrorplane.controlplane.xds.served_resources import Change, ServedResources
from mirrorplane.controlplane.xds.shared_responses import Shared
from mirrorplane.controlplane.xds.status import TypeStatus
from mirrorplane.controlplane.xds.subscription import InFlight, Subscription

MAX_TYPES = 64
_NONCE = 16

R = TypeVar("R")


class Session(ABC, Generic[R]):
    """The protocol state of one stream; `R` is the request it understands."""

    def __init__(
        self, resources: ResourceSet, pace: PushLimits, now: float, shared: Shared | None = None, others: Others = tuple
    ) -> None:
        self._shared = shared or Shared()
        self._shelf = ServedResources(resources, pace.grace, self._shared.moves)
        self._most = pace.most
        self.gate = PushOrder(pace, now, self._shelf, others)
        self._subscriptions: dict[str, Subscription] = {}
        self._nonces = itertools.count(1)
        self._warming: dict[str, set[str]] = {}
        self.pushed = ""
        """The type of the last response that `next` returned."""

    @abstractmethod
    def receive(self, request: R) -> Outcome | None:
        """Take a request. Raises ProtocolError when it asks for more than a stream may."""

    @abstractmethod
    def _frame(self, sub: Subscription, flight: InFlight) -> bytes:
        """Return the response that brings `flight.names`."""

    def offer(self, resources: ResourceSet) -> None:
        """Serve a newer set from now on. Costs what changed."""
        for type_url, changes in self._shelf.replace(resources).items():
            self._apply(type_url, changes)

    def next(self, now: float) -> bytes | None:
        """Return the next response, or None when there is nothing that may be sent yet."""
        self.gate.look(now)
        if self._shelf.keeping:
            for change in self.gate.release(now):
                self._apply(change.type_url, (change,))
        for sub in self._subscriptions.values():
            if sub.news and not sub.in_flight and self.gate.open(sub, now):
                self.pushed = sub.type_url
                return self._send(sub, now)
        return None

    def wake_at(self, now: float) -> float | None:
        """Return when `next` is worth asking again even if nothing happens until then."""
        if not (self._shelf.keeping or any(sub.news for sub in self._subscriptions.values())):
            return None
        return min((moment for moment in self.gate.moments(now) if moment > now), default=None)

    def status(self) -> tuple[TypeStatus, ...]:
        """Return how far each subscribed type is."""
        return tuple(map(TypeStatus.of, self._subscriptions.values()))

    @property
    def settled(self) -> bool:
        """Whether the proxy has answered everything it was owed, be it with an ACK or a NACK."""
        return all(sub.answered for sub in self._subscriptions.values())

    @property
    def resting(self) -> bool:
        """Whether `next` has nothing to return until there is another request or set, however late it gets."""
        return self.settled and not self._shelf.keeping

    # Books.

    def _nothing(self, _type_url: str) -> str:
        """Return the version that stands for a name that does not exist."""
        return ""

    def _wanted(self, sub: Subscription, name: str) -> str:
        return self._shelf.version(sub.type_url, name) or self._nothing(sub.type_url)

    def _apply(self, type_url: str, changes: Iterable[Change]) -> None:
        sub = self._subscriptions.get(type_url)
        if sub:
            sub.take(changes, self._nothing(type_url))

    def _subscription(self, type_url: str, *, whole: bool = False) -> tuple[Subscription, bool]:
        """Return the type's subscription and whether this is its first request."""
        sub = self._subscriptions.get(type_url)
        if sub:
            return sub, False
        if len(self._subscriptions) == MAX_TYPES:
            raise ProtocolError(f"more than {MAX_TYPES} types on one stream")
        sub = self._subscriptions[type_url] = Subscription(type_url, whole=whole)
        self._subscriptions = self.gate.subscriptions = dict(sorted(self._subscriptions.items(), key=_rank))
        return sub, True

    def _reply(self, sub: Subscription, nonce: str, error: str | None) -> Ack | Nack | None:
        """Settle the response a request answers. What makes a NACK is its error, whatever its version or nonce."""
        current = sub.last if sub.last and sub.last.nonce == nonce else None
        if error is not None:
            names = sub.nack(error) if current and sub.in_flight else ()
            return Nack(sub.type_url, names, current.version if current else "", error)
        if current and sub.in_flight:
            return Ack(sub.type_url, sub.ack(), frozenset(sub.rejected))
        return None

    def _said(self, sub: Subscription, outcome: Outcome | None) -> Outcome | None:
        """Return an outcome without what is no longer asked for; that is also taken back when there is no outcome.

        No response will come to do it.
        """
        if isinstance(outcome, Nack):
            names = tuple(name for name in outcome.names if sub.covers(name))
            return outcome if names == outcome.names else msgspec.structs.replace(outcome, names=names)
        if not sub.retract():
            return outcome
        return Ack(sub.type_url, sub.acked, frozenset(sub.blamed))

    def _first(self, sub: Subscription, *, resumed: bool) -> Unserved | None:
        self.gate.resumed = self.gate.resumed or resumed
        self._warm(sub.type_url)
        return None if sub.type_url in PUSH_ORDER else Unserved(sub.type_url)

    def _send(self, sub: Subscription, now: float) -> bytes:
        names = sub.due(self._most)
        version = self._version(sub, names)
        # A search for culprits takes many responses. Later types are patient with all of it, not with each.
        at = sub.last.at if sub.last and sub.suspects else now
        flight = InFlight(self._nonce(sub, version), version, names, at)
        key = (type(self), sub.type_url, version, flight.nonce, names)
        if sub.type.private:  # never in anything that is shared, whatever a hash says
            frame = self._frame(sub, flight)
        else:
            frame = self._shared.frame(key, lambda: self._frame(sub, flight))
        sub.sent(flight, {name: self._shelf.get(sub.type_url, name) for name in names} if sub.whole else {})
        if sub.type.warmed_by:
            sent = (self._shelf.get(sub.type_url, name) for name in names)
            warming = self._warming.setdefault(sub.type.warmed_by, set())
            warming.update(name for resource in sent if resource for name in resource.uses)
            self._warm(sub.type.warmed_by)
        return frame

    def _version(self, sub: Subscription, names: tuple[str, ...]) -> str:
        """Return the version of a response. It must not claim what is rejected, or nobody brings that up again."""
        if len(sub.owed) - len(names) > self._most:
            return sub.incomplete
        held = {name: sub.good.get(name) for name in sub.withheld(names)}
        return sub.version((name, self._wanted(sub, name), good.version if good else "") for name, good in held.items())

    def _nonce(self, sub: Subscription, version: str) -> str:
        """Return a nonce made from the content, so that streams share their bytes.

        Only the last nonce must differ: by the time an older one comes again, everything sent under it has arrived.
        """
        nonce = version[:_NONCE]
        return nonce if nonce != sub.nonce else f"{nonce}.{next(self._nonces)}"

    def _warm(self, type_url: str) -> None:
        """Owe again what new and changed resources of another type wait for: endpoints, of clusters.

        A proxy that comes back may be sent its clusters before it has named its endpoints; then this waits for that.
        """
        sub = self._subscriptions.get(type_url)
        if sub:
            sub.owed.update((name, None) for name in self._warming.pop(type_url, ()) if sub.covers(name))


def _rank(of_type: tuple[str, Subscription]) -> int:
    return PUSH_ORDER.index(of_type[0]) if of_type[0] in PUSH_ORDER else len(PUSH_ORDER)
