"""What the server sends, read by a decoder that shares no code with the encoder: envoy-data-plane (betterproto2)."""

import dataclasses
import importlib
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import betterproto2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from pydantic_core import SchemaValidator

from mirrorplane.api.resource import Resource

ANY = "google.protobuf.Any"
TYPED_STRUCT = "xds.type.v3.TypedStruct"
"""envoy-data-plane does not have it."""


@cache
def _validator(kind: type[betterproto2.Message]) -> SchemaValidator:
    return SchemaValidator(kind.__pydantic_core_schema__)  # type: ignore[attr-defined]


def _validate(message: betterproto2.Message) -> None:
    fields = dict(message.__dict__)
    del fields["_unknown_fields"]
    _validator(type(message)).validate_python(fields)


betterproto2.Message._validate = _validate  # type: ignore[method-assign]
"""The same check with its validator cached by type: built for each message, it takes most of the time."""


def differences(resource: Resource) -> list[str]:
    """Return what the other decoder reads differently, or not at all, in a resource and in the messages packed in it.

    Unknown fields count as differences: a decoder that skips them has not read them."""
    return list(_differences(_name(resource.type_url), resource.body, resource.name))


def _differences(name: str, body: bytes, where: str) -> Iterator[str]:
    if name != TYPED_STRUCT:
        yield from (f"{where}: {name} {problem}" for problem in _decoding_differences(name, body))
    for packed in _packed_messages(_decoded(name, body)):
        yield from _differences(_name(packed.type_url), packed.value, where)


def _decoded(name: str, body: bytes) -> Message:
    message_type = descriptor_pool.Default().FindMessageTypeByName(name)
    message: Message = message_factory.GetMessageClass(message_type).FromString(body)
    return message


@cache
def _decoding_differences(name: str, body: bytes) -> tuple[str, ...]:
    """Return the differences in one message. Filters and sockets are the same in most resources, hence the cache."""
    return tuple(_decoding_problems(_decoded(name, body), body))


def _decoding_problems(message: Message, body: bytes) -> Iterator[str]:
    decoder = _other_class(message.DESCRIPTOR.full_name)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            decoded = decoder.parse(body)
            encoded_again = type(message).FromString(bytes(decoded))
        except (ValueError, TypeError, OverflowError) as error:
            yield f"cannot be read: {error}"
            return
        unknown_types = set(_types_with_unknown_fields(decoded))
    if encoded_again != message:
        yield "is read differently"
    yield from (f"has a field that {type_name} does not know" for type_name in unknown_types)
    yield from {f"is deprecated: {w.message}" for w in warned}


@cache
def _other_class(name: str) -> type[betterproto2.Message]:
    """Find the other decoder's class, which spells acronyms its own way: HTTPFault is HttpFault there."""
    package, _, short = name.rpartition(".")
    module = importlib.import_module(f"envoy_data_plane.{package}")
    names = {attribute.lower(): attribute for attribute in dir(module)}
    message_class: type[betterproto2.Message] = getattr(module, names[short.replace(".", "").lower()])
    return message_class


def _types_with_unknown_fields(value: Any) -> Iterator[str]:
    """Yield the types of all messages below a value that have unknown fields."""
    if isinstance(value, betterproto2.Message):
        if value._unknown_fields:
            yield type(value).__name__
        for field in dataclasses.fields(value):
            yield from _types_with_unknown_fields(getattr(value, field.name))
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _types_with_unknown_fields(inner)


def _packed_messages(message: Message) -> Iterator[Any]:
    """Yield every Any in a message, but not those nested in another Any."""
    if message.DESCRIPTOR.full_name == ANY:
        yield message
        return
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = value.values() if field.message_type.fields_by_name["value"].type == field.TYPE_MESSAGE else ()
        else:
            inner = value if field.is_repeated else (value,)
        for element in inner:
            yield from _packed_messages(element)


def _name(type_url: str) -> str:
    return type_url.rpartition("/")[2]
