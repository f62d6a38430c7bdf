"""How one stream stands, as a value: for /debug/proxies and for metrics. Built only when somebody asks."""

import msgspec

from api.proxy import Proxy
from controlplane.xds.requests import WILDCARD
from controlplane.xds.subscription import Subscription


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
            nack=sub.complaint,
            wildcard=sub.wildcard,
            subscribed=len(sub.names - {WILDCARD}),
            in_flight=sub.in_flight,
            pending=sub.news,
            pushes=sub.pushes,
        )


class StreamStatus(msgspec.Struct, frozen=True):
    """One connected stream. `variant` is sotw or delta; `since` is the Unix time it connected at, in seconds."""

    proxy: Proxy
    variant: str
    since: float
    types: tuple[TypeStatus, ...]

    @property
    def settled(self) -> bool:
        """Whether the proxy has answered everything it was owed, be it with an ACK or a NACK."""
        return bool(self.types) and not any(t.in_flight or t.pending for t in self.types)
