"""Requests from wire bytes, within limits, into the small values that the protocol steps use.

Protobuf objects live only here: a request leaves no message behind.
"""

import sys
from collections.abc import Collection
from typing import Any, Generic, TypeVar

import msgspec
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import DecodeError

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.xds.node import proxy_from_node
from mirrorplane.controlplane.xds.requests import MAX_NAMES, DeltaRequest, ProtocolError, SotwRequest

# The longest type that is served has fewer than 80 characters.
MAX_TYPE_URL = 256
MAX_NAME = 1024
"""Characters of a resource's name. Those that are served have at most a few hundred."""
MAX_VERSION = 256
"""Characters of a version or a nonce. Ours have at most 33."""
MAX_NACK = 4096
"""Characters of a NACK's message that are decoded."""
_LARGE = 1 << 20
_NAME_TAGS = (b"\x1a", b"\x22", b"\x2a")
"""The first bytes of the fields 3, 4 and 5, which have the names (discovery.proto)."""
_TAGS_PER_NAME = 6
"""How often such a byte may be there for each name: as a tag, as lengths of names and entries, and as `*` in names."""

R = TypeVar("R")


class FirstRequest(msgspec.Struct, Generic[R], frozen=True):
    """The first message of a stream: the proxy that connects, and its first request."""

    proxy: Proxy
    request: R


def first_sotw_request(message: bytes) -> FirstRequest[SotwRequest]:
    """Decode the first message of a SotW stream. Raises ProtocolError."""
    parsed = _parse(discovery_pb2.DiscoveryRequest, message)
    return FirstRequest(_proxy(parsed), _sotw(parsed))


def first_delta_request(message: bytes) -> FirstRequest[DeltaRequest]:
    """Decode the first message of a delta stream. Raises ProtocolError."""
    parsed = _parse(discovery_pb2.DeltaDiscoveryRequest, message)
    return FirstRequest(_proxy(parsed), _delta(parsed))


def sotw_request(message: bytes) -> SotwRequest:
    """Decode a DiscoveryRequest. Raises ProtocolError."""
    return _sotw(_parse(discovery_pb2.DiscoveryRequest, message))


def delta_request(message: bytes) -> DeltaRequest:
    """Decode a DeltaDiscoveryRequest. Raises ProtocolError."""
    return _delta(_parse(discovery_pb2.DeltaDiscoveryRequest, message))


def _sotw(parsed: Any) -> SotwRequest:
    return SotwRequest(
        type_url=_type_url(parsed),
        names=_names(parsed.resource_names),
        version=_version(parsed.version_info),
        nonce=_version(parsed.response_nonce),
        error=_error(parsed),
    )


def _delta(parsed: Any) -> DeltaRequest:
    return DeltaRequest(
        type_url=_type_url(parsed),
        subscribe=_names(parsed.resource_names_subscribe),
        unsubscribe=_names(parsed.resource_names_unsubscribe),
        initial=dict(
            zip(
                _names(parsed.initial_resource_versions),
                map(_version, parsed.initial_resource_versions.values()),
                strict=True,
            )
        ),
        nonce=_version(parsed.response_nonce),
        error=_error(parsed),
    )


def _parse(message_type: Any, message: bytes) -> Any:
    # Parsing 16 MiB of empty names takes a second, so they are counted before.
    if len(message) > _LARGE and max(map(message.count, _NAME_TAGS)) > _TAGS_PER_NAME * MAX_NAMES:
        raise ProtocolError(f"more than {MAX_NAMES} names in one request")
    try:
        return message_type.FromString(message)
    except DecodeError as error:
        raise ProtocolError(f"not a {message_type.DESCRIPTOR.name}: {error}") from error


def _proxy(parsed: Any) -> Proxy:
    if not parsed.HasField("node"):
        # xDS protocol: only the first has to carry it. Bootstraps set `set_node_on_first_message_only`: it is 60 kB.
        raise ProtocolError("the first request of a stream must carry a node")
    return proxy_from_node(parsed.node)


def _type_url(parsed: Any) -> str:
    type_url: str = parsed.type_url
    if len(type_url) > MAX_TYPE_URL:
        raise ProtocolError(f"type_url of {len(type_url)} characters: the limit is {MAX_TYPE_URL}")
    return type_url


def _names(names: Collection[str]) -> tuple[str, ...]:
    if len(names) > MAX_NAMES:
        raise ProtocolError(f"{len(names)} names in one request: the limit is {MAX_NAMES}")
    texts = tuple(names)  # each is made anew whenever protobuf is asked for it
    if (longest := max(map(len, texts), default=0)) > MAX_NAME:
        raise ProtocolError(f"a name of {longest} characters: the limit is {MAX_NAME}")
    return tuple(map(sys.intern, texts))  # a thousand proxies subscribe to the same names


def _version(text: str) -> str:
    if len(text) > MAX_VERSION:
        raise ProtocolError(f"a version or nonce of {len(text)} characters: the limit is {MAX_VERSION}")
    return text


def _error(parsed: Any) -> str | None:
    """Return a NACK's message, or None if the request is no NACK."""
    return parsed.error_detail.message[:MAX_NACK] if parsed.HasField("error_detail") else None
