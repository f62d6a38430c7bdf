"""What the proxy holds of one type, what it is still to be sent, and the response in flight.

The state is the same for both protocols, whether or not the proxy rejects something: a name is *pending* while the
version that the proxy holds differs from the version that it should hold, or is unknown.
"""

from collections.abc import Iterable

import msgspec

from mirrorplane.controlplane.xds.versions import format_version, term

# A name that no resource has: the sum is that of no state a proxy could hold.
_INCOMPLETE = term("\0", "incomplete")


class InFlight(msgspec.Struct, frozen=True):
    """A response sent and not answered: `names` are its resources, `since` is when its `ack_timeout` began."""

    nonce: str
    version: str
    names: tuple[str, ...]
    since: float


class Delivery:
    """How far one type is on one stream.

    `pending` maps a name to the version the proxy holds: "" is none, None is unknown and always sent.
    `unanswered`: the proxy waits for a response even if nothing is pending. `last` is the last response sent, and
    `in_flight` whether it waits for an answer. `acked` is the version accepted last; `pushes` counts responses.
    """

    __slots__ = ("acked", "content", "in_flight", "last", "pending", "pushes", "unanswered")

    def __init__(self) -> None:
        self.pending: dict[str, str | None] = {}
        self.unanswered = False
        self.last: InFlight | None = None
        self.in_flight = False
        self.acked = ""
        self.pushes = 0
        self.content = 0
        """The sum of hashes that is the version of all that is subscribed to (see versions.py)."""

    def version(self, swaps: Iterable[tuple[str, str, str]] = ()) -> str:
        """Return the content version of all that is subscribed to.

        `swaps` are (name, version it should have, version the proxy keeps) of what it does not hold as it should.
        """
        swapped = sum(term(name, kept_version) - term(name, version) for name, version, kept_version in swaps)
        return format_version(self.content + swapped)

    @property
    def incomplete_version(self) -> str:
        """The version of a response that leaves much to those after it. No complete response ever has it."""
        return format_version(self.content + _INCOMPLETE)

    def add_name(self, name: str, version: str) -> None:
        """Add a name that is newly subscribed to, with the version it should have."""
        self.content += term(name, version)

    def remove_name(self, name: str, version: str) -> None:
        """Forget a name that is no longer subscribed to."""
        self.content -= term(name, version)
        self.pending.pop(name, None)

    def record_held(self, name: str, held_version: str | None, version: str) -> None:
        """Note which version the proxy holds of a name; it is pending if that is not the version it should have."""
        if held_version == version:
            self.pending.pop(name, None)
        else:
            self.pending[name] = held_version

    def send(self, flight: InFlight, *, all_pending: bool) -> None:
        """Note that a response was sent; `all_pending`: it has everything that was pending."""
        if all_pending:
            self.pending = {}
        for name in flight.names if self.pending else ():
            self.pending.pop(name, None)
        self.pending = self.pending or {}  # a dict that held thousands of names would keep its size
        self.unanswered = False
        self.last, self.in_flight = flight, True
        self.pushes += 1

    def accept(self) -> tuple[str, ...]:
        """Note that the response in flight was accepted; return its names, which are not kept."""
        assert self.last is not None
        names, self.acked = self.last.names, self.last.version
        self.in_flight = False
        # The nonce must stay; names of a large first response would be kept for as long as the proxy is connected.
        self.last = msgspec.structs.replace(self.last, names=())
        return names
