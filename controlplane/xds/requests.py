"""What the protocol steps receive from Envoy and what they report beside bytes: small values, free of protobuf.

The steps and their tests need neither a wire format nor a transport.
"""

from collections.abc import Mapping

import msgspec

WILDCARD = "*"
MAX_NAMES = 100_000
"""How many names one subscription may hold."""
MAX_STREAM_NAMES = 2 * MAX_NAMES
"""How many names all subscriptions of a stream may hold: endpoints and routes of 10,000 services."""


class ProtocolError(ValueError):
    """A request no xDS client should send. The message is the sentence the client gets."""


class SotwRequest(msgspec.Struct, frozen=True):
    """A DiscoveryRequest. `error` is the NACK's message; None means the request is no NACK."""

    type_url: str
    names: tuple[str, ...] = ()
    version: str = ""
    nonce: str = ""
    error: str | None = None

    @property
    def name_count(self) -> int:
        """How many names it has."""
        return len(self.names)


class DeltaRequest(msgspec.Struct, frozen=True):
    """A DeltaDiscoveryRequest. `initial` maps names to the versions that a reconnecting proxy still holds."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial: Mapping[str, str] = {}
    nonce: str = ""
    error: str | None = None

    @property
    def name_count(self) -> int:
        """How many names it has."""
        return len(self.subscribe) + len(self.unsubscribe) + len(self.initial)


class Ack(msgspec.Struct, frozen=True):
    """The proxy accepted a response. `rejected` are resources of the type that it rejected before, and still does.

    Also reported, with the version accepted last, when the proxy unsubscribes from what it rejected.
    """

    type_url: str
    version: str
    rejected: frozenset[str] = frozenset()


class Nack(msgspec.Struct, frozen=True):
    """The proxy rejected a response. `names` are the resources that were new to it there."""

    type_url: str
    names: tuple[str, ...]
    version: str
    message: str


class Unserved(msgspec.Struct, frozen=True):
    """The proxy subscribed to a type that is not served. Reported once per stream and type."""

    type_url: str


Outcome = Ack | Nack | Unserved
