"""What the protocol steps hear from Envoy and what they answer beside bytes: small values, free of protobuf.

Separate so that the steps and their tests need neither a wire format nor a transport.
"""

from collections.abc import Mapping

import msgspec

WILDCARD = "*"
MAX_NAMES = 100_000
"""How many names one subscription may hold."""


class ProtocolError(ValueError):
    """A request no xDS client should send. The message is the sentence the client gets."""


class SotwRequest(msgspec.Struct, frozen=True):
    """A DiscoveryRequest. `error` is the NACK's message; None means the request is no NACK."""

    type_url: str
    names: tuple[str, ...] = ()
    version: str = ""
    nonce: str = ""
    error: str | None = None


class DeltaRequest(msgspec.Struct, frozen=True):
    """A DeltaDiscoveryRequest. `initial` says which versions a reconnecting proxy still holds, by name."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial: Mapping[str, str] = {}
    nonce: str = ""
    error: str | None = None


class Ack(msgspec.Struct, frozen=True):
    """The proxy accepted a response. `rejected` are resources of the type that it rejected before, and still does.

    Said with the version accepted last, too, when the proxy no longer asks for what it rejected.
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
    """The proxy asked for a type we do not serve. Said once per stream and type."""

    type_url: str


Outcome = Ack | Nack | Unserved
