"""Responses as wire bytes, joined from bodies that are already serialised.

Separate from the protocol steps because it knows field numbers and nothing else. Joining costs one copy of each body;
building the same message from protobuf objects costs about ten times as much. Fields go in field-number order, so the
bytes are those `SerializeToString` would give.
"""

from collections.abc import Iterable

from mirrorplane.api.resource import Resource
from mirrorplane.api.wire import varint

# Tags: the number of a field, then wire type 2, "length-delimited".
_VERSION, _RESOURCES, _TYPE_URL, _NONCE, _REMOVED = (bytes([field << 3 | 2]) for field in (1, 2, 4, 5, 6))
_ANY_TYPE, _ANY_VALUE = (bytes([field << 3 | 2]) for field in (1, 2))
_ENTRY_VERSION, _ENTRY_RESOURCE, _ENTRY_NAME = (bytes([field << 3 | 2]) for field in (1, 2, 3))


def sotw_response(type_url: str, version: str, nonce: str, resources: Iterable[Resource]) -> bytes:
    """Return the bytes of an `envoy.service.discovery.v3.DiscoveryResponse`."""
    any_type = _text(_ANY_TYPE, type_url)
    chunks = [_text(_VERSION, version)]
    for resource in resources:
        size = resource.size
        any_head = any_type + _head(_ANY_VALUE, size) if size else any_type
        chunks += (_head(_RESOURCES, len(any_head) + size), any_head, *resource.chunks)
    chunks += (_text(_TYPE_URL, type_url), _text(_NONCE, nonce))
    return b"".join(chunks)


def delta_response(
    type_url: str, version: str, nonce: str, resources: Iterable[Resource], removed: Iterable[str]
) -> bytes:
    """Return the bytes of an `envoy.service.discovery.v3.DeltaDiscoveryResponse`."""
    any_type = _text(_ANY_TYPE, type_url)
    chunks = [_text(_VERSION, version)]
    for resource in resources:
        chunks += _entry(resource, any_type)
    chunks += (_text(_TYPE_URL, type_url), _text(_NONCE, nonce))
    chunks += (_head(_REMOVED, len(name)) + name for name in map(str.encode, removed))
    return b"".join(chunks)


def name_only(name: str) -> bytes:
    """Return the bytes of a message that has only its name, field 1: a ClusterLoadAssignment without endpoints."""
    return _text(b"\x0a", name)


def _entry(resource: Resource, any_type: bytes) -> tuple[bytes, ...]:
    """Return a delta `Resource` entry as head, chunks and tail, so that the message is copied only once."""
    size = resource.size
    any_head = any_type + _head(_ANY_VALUE, size) if size else any_type
    head = _text(_ENTRY_VERSION, resource.version) + _head(_ENTRY_RESOURCE, len(any_head) + size) + any_head
    tail = _text(_ENTRY_NAME, resource.name)
    return _head(_RESOURCES, len(head) + size + len(tail)) + head, *resource.chunks, tail


def _text(tag: bytes, text: str) -> bytes:
    """Frame a string; the empty string is left out, as proto3 does."""
    encoded = text.encode()
    return _head(tag, len(encoded)) + encoded if encoded else b""


def _head(tag: bytes, size: int) -> bytes:
    return tag + varint(size)
