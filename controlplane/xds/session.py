"""What SotW and delta share: subscriptions, what is pending, and what is pushed next.

A session is the protocol state of one stream. It is a pure step machine: requests, sets and the time go in, outcomes
and response bytes come out. It never waits; the transport calls `next` whenever it can send another message.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

from mirrorplane.api.resource import PUSH_ORDER, ResourceSet, ResourceType, resource_type
from mirrorplane.controlplane.xds.delivery import InFlight
from mirrorplane.controlplane.xds.push_order import PushLimits, PushOrder, Siblings
from mirrorplane.controlplane.xds.quarantine import NO_RESOURCES
from mirrorplane.controlplane.xds.requests import (
    MAX_NAMES,
    MAX_STREAM_NAMES,
    Ack,
    Nack,
    Outcome,
    ProtocolError,
    Unserved,
)
from mirrorplane.controlplane.xds.served_resources import ResourceChange, ServedResources
from mirrorplane.controlplane.xds.shared_responses import SharedResponses
from mirrorplane.controlplane.xds.status import TypeStatus
from mirrorplane.controlplane.xds.subscription import Subscription

# Several times what Envoy has: it only bounds what one stream can make us keep.
MAX_TYPES = 64
# 64 bits of a version: a nonce is only ever compared with the one before it.
_NONCE_LENGTH = 16

R = TypeVar("R")


class Session(ABC, Generic[R]):
    """The protocol state of one stream; `R` is the request it understands.

    `pushed` is the type of the last response.
    """

    def __init__(
        self,
        resources: ResourceSet,
        limits: PushLimits,
        now: float,
        responses: SharedResponses | None = None,
        siblings: Siblings = tuple,
    ) -> None:
        self.pushed = ""
        self._responses = responses or SharedResponses()
        self._checkpoint = self._responses.checkpoint
        self._served = ServedResources(resources, limits.grace, self._responses.diff)
        self._max_resources = limits.max_resources
        self.push_order = PushOrder(limits, now, self._served, siblings)
        self._subscriptions: dict[str, Subscription] = {}
        self._nonces = itertools.count(1)
        self._warming: dict[str, set[str]] = {}

    @abstractmethod
    def receive(self, request: R) -> Outcome | None:
        """Handle a request. Raises ProtocolError when it asks for more than a stream may.

        It may pause at checkpoints; nothing else may be called until it returns. See decision 0142.
        """

    @abstractmethod
    def _frame(self, sub: Subscription, flight: InFlight) -> bytes:
        """Return the response with `flight.names`."""

    def offer(self, resources: ResourceSet) -> None:
        """Serve a newer set from now on. Costs what changed."""
        for type_url, changes in self._served.replace(resources).items():
            self._apply(type_url, changes)

    def next(self, now: float) -> bytes | None:
        """Return the next response, or None when there is nothing that may be sent yet."""
        self.push_order.observe(now)
        if self._served.retains_any:
            for change in self.push_order.release(now):
                self._apply(change.type_url, (change,))
        for sub in self._subscriptions.values():  # in push order, see _find_subscription
            if sub.has_pending and not sub.delivery.in_flight and self.push_order.is_open(sub, now):
                self.pushed = sub.type_url
                return self._send(sub, now)
        return None

    def wake_at(self, now: float) -> float | None:
        """Return when to call `next` again even if nothing happens until then; None is never."""
        if not (self._served.retains_any or any(sub.has_pending for sub in self._subscriptions.values())):
            return None
        return min((moment for moment in self.push_order.moments(now) if moment > now), default=None)

    def status(self) -> tuple[TypeStatus, ...]:
        """Return how far each subscribed type is."""
        return tuple(map(TypeStatus.from_subscription, self._subscriptions.values()))

    @property
    def settled(self) -> bool:
        """Whether the proxy has answered everything, with an ACK or a NACK, and nothing is pending."""
        return all(sub.answered for sub in self._subscriptions.values())

    @property
    def idle(self) -> bool:
        """Whether `next` has nothing to return until there is another request or set, however late it gets."""
        return self.settled and not self._served.retains_any

    # Subscriptions and versions.

    def _absent_version(self, _row: ResourceType) -> str:
        """Return the version of a resource that does not exist."""
        return ""

    def _target_version(self, sub: Subscription, name: str) -> str:
        """Return the version that the proxy should hold."""
        return self._served.version(sub.type_url, name) or self._absent_version(sub.type)

    def _apply(self, type_url: str, changes: Iterable[ResourceChange]) -> None:
        sub = self._subscriptions.get(type_url)
        if sub:
            sub.apply(changes, self._absent_version(sub.type))

    def _find_subscription(self, type_url: str, *, sotw: bool) -> tuple[Subscription, bool]:
        """Return the type's subscription and whether this is its first request."""
        sub = self._subscriptions.get(type_url)
        if sub:
            return sub, False
        if len(self._subscriptions) == MAX_TYPES:
            raise ProtocolError(f"more than {MAX_TYPES} types on one stream")
        row = resource_type(type_url)
        sub = self._subscriptions[type_url] = Subscription(row, full_state=sotw and row.full_state)
        self._subscriptions = self.push_order.subscriptions = dict(sorted(self._subscriptions.items(), key=_rank))
        return sub, True

    def _paced(self, names: Iterable[str]) -> Iterator[str]:
        """Yield names, with a checkpoint before each."""
        for name in names:
            self._checkpoint()
            yield name

    def _check_names(self, sub: Subscription, count: int) -> None:
        """Check how many names a type, and the stream with it, would have. Raises ProtocolError."""
        if count > MAX_NAMES:
            raise ProtocolError(f"more than {MAX_NAMES} names of {sub.type_url}")
        others = sum(len(other.names) for other in self._subscriptions.values() if other is not sub)
        if others + count > MAX_STREAM_NAMES:
            raise ProtocolError(f"more than {MAX_STREAM_NAMES} names on one stream")

    def _begin_type(self, sub: Subscription, *, resumed: bool) -> Unserved | None:
        """Start to serve a type; `resumed`: the proxy holds state of it from an earlier stream."""
        self.push_order.resumed = self.push_order.resumed or resumed
        self._send_warming(sub.type_url)
        return None if sub.type_url in PUSH_ORDER else Unserved(sub.type_url)

    # Answers of the proxy.

    def _settle(self, sub: Subscription, nonce: str, error: str | None) -> Ack | Nack | None:
        """Take a request as the answer to the response in flight, if it is. Its error makes it a NACK, nothing else."""
        delivery = sub.delivery
        # A nonce of an older response is no answer to the newest one, whose own answer is still to come.
        current = delivery.last if delivery.last and delivery.last.nonce == nonce else None
        if error is not None:
            names = sub.nack(error) if current and delivery.in_flight else ()
            return Nack(sub.type_url, names, current.version if current else "", error)
        if current and delivery.in_flight:
            return Ack(sub.type_url, sub.ack(), frozenset(sub.quarantine.rejected))
        return None

    def _without_unsubscribed(self, sub: Subscription, outcome: Outcome | None) -> Outcome | None:
        """Drop names that are unsubscribed from an outcome, and retract earlier blame for them.

        The retraction is an Ack even without an outcome: no response will come to make one.
        """
        if isinstance(outcome, Nack):
            names = tuple(name for name in outcome.names if sub.names.covers(name))
            return outcome if names == outcome.names else msgspec.structs.replace(outcome, names=names)
        if not sub.quarantine.retract():
            return outcome
        return Ack(sub.type_url, sub.delivery.acked, frozenset(sub.quarantine.blamed))

    # Responses.

    def _send(self, sub: Subscription, now: float) -> bytes:
        names = sub.next_names(self._max_resources)
        version = self._response_version(sub, names)
        # A search for culprits takes many responses. Later types are patient with all of it, not with each.
        last = sub.delivery.last
        since = last.since if last and sub.quarantine.bisect else now
        flight = InFlight(self._nonce(sub, version), version, names, since)
        key = (type(self), sub.type_url, version, flight.nonce, names)
        if sub.type.private:  # never in anything that is shared, whatever a hash says (decision 0026)
            frame = self._frame(sub, flight)
        else:
            frame = self._responses.frame(key, lambda: self._frame(sub, flight))
        in_response = {name: self._served.get(sub.type_url, name) for name in names} if sub.full_state else NO_RESOURCES
        sub.send(flight, in_response)
        if sub.type.warmed_by:
            self._note_warming(sub, names)
        return frame

    def _response_version(self, sub: Subscription, names: tuple[str, ...]) -> str:
        """Return the version of a response. It must differ from one that includes what is rejected.

        A reconnecting proxy with that version would be taken to hold everything, and never be sent the rest.
        """
        if len(sub.delivery.pending) - len(names) > self._max_resources:
            return sub.delivery.incomplete_version
        last_good = sub.quarantine.last_good
        swaps = ((name, self._target_version(sub, name), last_good.get(name)) for name in sub.withheld(names))
        return sub.delivery.version(
            (name, target, replacement.version if replacement else "") for name, target, replacement in swaps
        )

    def _nonce(self, sub: Subscription, version: str) -> str:
        """Return a nonce made from the content, so that streams share their bytes. See decision 0030.

        Only the last nonce must differ: by the time an older one comes again, everything sent under it has arrived.
        """
        nonce = version[:_NONCE_LENGTH]
        return nonce if nonce != sub.nonce else f"{nonce}.{next(self._nonces)}"

    def _note_warming(self, sub: Subscription, names: tuple[str, ...]) -> None:
        resources = (self._served.get(sub.type_url, name) for name in names)
        warming = self._warming.setdefault(sub.type.warmed_by, set())
        # Envoy 1.40, delta: for a changed cluster it does not ask for the endpoints again, and neither applies nor ACKs
        # it until they come, even unchanged; with our initial_fetch_timeout of 0 it would wait for ever.
        warming.update(used for resource in resources if resource for used in resource.uses)
        self._send_warming(sub.type.warmed_by)

    def _send_warming(self, type_url: str) -> None:
        """Send again what new and changed resources of another type wait for: endpoints, of clusters.

        A reconnecting proxy may be sent its clusters before it has named its endpoints; then this waits for that.
        """
        sub = self._subscriptions.get(type_url)
        if sub:
            warming = self._warming.pop(type_url, ())
            sub.delivery.pending.update((name, None) for name in warming if sub.names.covers(name))


def _rank(item: tuple[str, Subscription]) -> int:
    return PUSH_ORDER.index(item[0]) if item[0] in PUSH_ORDER else len(PUSH_ORDER)
