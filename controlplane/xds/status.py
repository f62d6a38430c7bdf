"""How far one stream is, as a value: for /debug/proxies. Built only on request."""

import msgspec

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.xds.requests import WILDCARD
from mirrorplane.controlplane.xds.subscription import Subscription

MAX_TEXT = 2000
"""Characters of a NACK's message that are kept: Envoy quotes everything that it rejects."""


def shortened(text: str) -> str:
    """Return a text cut to MAX_TEXT characters."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


class TypeStatus(msgspec.Struct, frozen=True):
    """One subscribed type. `subscribed` counts names without the wildcard; `nack` is the last NACK while it holds.

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
    def from_subscription(cls, sub: Subscription) -> "TypeStatus":
        """Return the status of a subscription."""
        delivery, nack_message = sub.delivery, sub.quarantine.nack_message
        return cls(
            type_url=sub.type_url,
            sent=delivery.last.version if delivery.last else "",
            acked=delivery.acked,
            nack=None if nack_message is None else shortened(nack_message),
            wildcard=sub.names.wildcard,
            subscribed=len(sub.names) - (WILDCARD in sub.names),
            in_flight=delivery.in_flight,
            pending=sub.has_pending,
            pushes=delivery.pushes,
        )

    @property
    def settled(self) -> bool:
        """Whether the proxy has answered everything of the type, and nothing is pending."""
        return not (self.in_flight or self.pending)

    @property
    def state(self) -> str:
        """SYNCED, STALE (something is pending or in flight), NOT SENT (nothing was sent yet) or REJECTED."""
        if self.nack is not None:
            return "REJECTED"
        if self.settled:
            return "SYNCED"
        return "STALE" if self.pushes else "NOT SENT"


class StreamStatus(msgspec.Struct, frozen=True):
    """One connected stream. `variant` is sotw or delta; `since` is when it connected, Unix time in seconds."""

    proxy: Proxy
    variant: str
    since: float
    types: tuple[TypeStatus, ...]

    @property
    def settled(self) -> bool:
        """Whether the proxy has answered everything, with an ACK or a NACK, and nothing is pending."""
        return bool(self.types) and all(status.settled for status in self.types)
