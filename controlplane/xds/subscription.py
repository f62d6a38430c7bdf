"""One type on one stream: what the proxy subscribed to, what is delivered of it, and what it rejected.

Both protocols track the same state: what to send next, and whether the type is idle, follow from it.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from mirrorplane.api.resource import Resource, ResourceType
from mirrorplane.controlplane.xds.delivery import Delivery, InFlight
from mirrorplane.controlplane.xds.quarantine import Quarantine
from mirrorplane.controlplane.xds.served_resources import ResourceChange
from mirrorplane.controlplane.xds.subscribed_names import SubscribedNames
from mirrorplane.controlplane.xds.versions import shift


class Subscription:
    """One type on one stream. At most one response is in flight.

    `full_state`: a response always holds every resource that is subscribed to (CDS and LDS in SotW).
    """

    __slots__ = ("delivery", "full_state", "names", "quarantine", "type", "type_url")

    def __init__(self, row: ResourceType, *, full_state: bool = False) -> None:
        self.type = row
        self.type_url = row.url  # beside `type`: it is read several times for each message
        self.full_state = full_state
        self.names = SubscribedNames()
        self.delivery = Delivery()
        self.quarantine = Quarantine(full_state=full_state)

    @property
    def nonce(self) -> str:
        """The nonce of the last response, "" before the first."""
        return self.delivery.last.nonce if self.delivery.last else ""

    @property
    def has_pending(self) -> bool:
        """Whether there is something to send."""
        return bool(self.delivery.pending) or self.delivery.unanswered or self.quarantine.searches

    @property
    def answered(self) -> bool:
        """Whether the proxy has answered everything, with an ACK or a NACK, and nothing is left to send."""
        return not (self.has_pending or self.delivery.in_flight)

    @property
    def idle(self) -> bool:
        """Whether the proxy has accepted everything it should hold."""
        return self.answered and not self.quarantine.rejected

    def withheld(self, names: Collection[str]) -> set[str]:
        """Return the names of which the proxy will hold a wrong version after a response with `names`."""
        rejected, pending = self.quarantine.rejected, self.delivery.pending
        if not rejected and len(names) == len(pending):
            return set()  # the response has all that is pending
        return (rejected | pending.keys()).difference(names)

    def add_name(self, name: str, version: str) -> None:
        """Add a name that is newly subscribed to, with the version it should have."""
        self.delivery.add_name(name, version)

    def remove_name(self, name: str, version: str) -> None:
        """Forget a name that is no longer subscribed to."""
        self.delivery.remove_name(name, version)
        self.quarantine.forget(name)

    def apply(self, changes: Iterable[ResourceChange], absent: str) -> None:
        """Note that versions changed; `absent` stands for a missing resource. What was rejected is tried again.

        The hottest loop of the server: there may be thousands of changes for each of thousands of streams.
        """
        delivery, quarantine = self.delivery, self.quarantine
        undisturbed = not (self.full_state or quarantine.rejected or quarantine.culprits)
        names, wildcard, pending = self.names, self.names.wildcard, delivery.pending
        moved = 0
        for change in changes:
            name = change.name
            if not (wildcard or name in names):
                continue
            before, after = change.before or absent, change.after or absent
            moved += shift(name, before, after) if change.shift is None else change.shift
            if not undisturbed:
                quarantine.reconsider(change, pending)
            held_version = pending.get(name, before)
            if held_version == after:  # changed back before it was sent
                pending.pop(name, None)
            else:
                pending[name] = held_version
        delivery.content += moved

    def next_names(self, limit: int) -> tuple[str, ...]:
        """Return the names of the next response, sorted; at most `limit`, except in a full-state response."""
        pending, quarantine = self.delivery.pending, self.quarantine
        if not quarantine.last_good_known:
            return tuple(sorted(pending.keys() | quarantine.rejected))
        names = quarantine.next_names(pending)
        return tuple(sorted(names if self.full_state else islice(names, limit)))

    def send(self, flight: InFlight, in_response: Mapping[str, Resource | None]) -> None:
        """Note that a response was sent; `in_response` holds its resources by name, in full-state responses only."""
        all_pending = len(flight.names) == len(self.delivery.pending) and not self.quarantine.rejected
        self.quarantine.send(flight.names, in_response)
        self.delivery.send(flight, all_pending=all_pending)

    def ack(self) -> str:
        """Note that the response in flight was accepted; return its version."""
        self.quarantine.accept(self.delivery.accept(), self.delivery.pending)
        return self.delivery.acked

    def nack(self, message: str) -> tuple[str, ...]:
        """Note that the response in flight was rejected; return the names that may be the cause."""
        flight = self.delivery.last
        assert flight is not None
        self.delivery.in_flight = False
        names = {name for name in flight.names if self.names.covers(name)}
        complete = len(names) == len(flight.names)
        listed = self.quarantine.reject(message, names, self.delivery.pending, complete=complete)
        return tuple(sorted(listed)) or flight.names
