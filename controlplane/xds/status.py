"""How one stream stands, as a value: for /debug/proxies. Built only when somebody asks."""

import msgspec

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.xds.requests import WILDCARD
from mirrorplane.controlplane.xds.subscription import Subscription

LONGEST_TEXT = 2000
"""How many characters of what a proxy complains are kept: Envoy quotes all that it rejects."""


def shortened(text: str) -> str:
    """Return a text with at most LONGEST_TEXT characters."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


class TypeStatus(msgspec.Struct, frozen=True):
    """One subscribed type. `subscribed` counts names and leaves out the wildcard; `nack` is the last open complaint.

    `pending`: there is something to send that waits, for an answer or for an earlier type.
    """

    type_url: str
    sent: str
    acked: str
    nack: str | None
    wildcard: bool
    subscribed: int
    in_flight: bool
    pending: bool
    pushes: int

    @classmethod
    def of(cls, sub: Subscription) -> "TypeStatus":
        """Read a subscription."""
        return cls(
            type_url=sub.type_url,
            sent=sub.last.version if sub.last else "",
            acked=sub.acked,
            nack=None if sub.complaint is None else shortened(sub.complaint),
            wildcard=sub.wildcard,
            subscribed=len(sub.names) - (WILDCARD in sub.names),
            in_flight=sub.in_flight,
            pending=sub.news,
            pushes=sub.pushes,
        )

    @property
    def settled(self) -> bool:
        """Whether the proxy has answered all it was owed of the type."""
        return not (self.in_flight or self.pending)

    @property
    def state(self) -> str:
        """SYNCED, STALE (owed something), NOT SENT (owed, and nothing was sent yet) or REJECTED."""
        if self.nack is not None:
            return "REJECTED"
        if self.settled:
            return "SYNCED"
        return "STALE" if self.pushes else "NOT SENT"


class StreamStatus(msgspec.Struct, frozen=True):
    """One connected stream. `variant` is sotw or delta; `since` is the Unix time it connected at, in seconds."""

    proxy: Proxy
    variant: str
    since: float
    types: tuple[TypeStatus, ...]

    @property
    def settled(self) -> bool:
        """Whether the proxy has answered everything it was owed, be it with an ACK or a NACK."""
        return bool(self.types) and all(t.settled for t in self.types)
