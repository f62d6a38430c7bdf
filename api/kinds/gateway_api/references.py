"""References between objects of Gateway API."""

from typing import Annotated

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.meta import Wire

PortNumber = Annotated[int, Meta(ge=1, le=65535)]
_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
ObjectName = Annotated[str, Meta(min_length=1, max_length=253)]
KindName = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"^[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?\Z")]
Group = Annotated[str, Meta(max_length=253, pattern=rf"^(?:{_LABEL}(?:\.{_LABEL})*)?\Z")]
"""The core group is ""."""
Namespace = Annotated[str, Meta(max_length=63, pattern=rf"^(?:{_LABEL})?\Z")]
SectionName = Annotated[str, Meta(max_length=253, pattern=rf"^(?:{_LABEL}(?:\.{_LABEL})*)?\Z")]
_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
DomainPath = rf"{_LABEL}(?:\.{_LABEL})*/{_PATH}"
"""A domain-prefixed name, as a regex: `example.com/name`."""
Weight = Annotated[int, Meta(ge=0, le=1_000_000)]


class ParentReference(Wire, frozen=True):
    """A parent of a route: all listeners of a Gateway, the one of `sectionName`, or those of `port`."""

    name: ObjectName
    group: Group = GROUP
    kind: KindName = "Gateway"
    namespace: Namespace = ""
    section_name: SectionName = ""
    port: PortNumber | None = None


class BackendObjectReference(Wire, frozen=True):
    """A backend: a Service and one of its ports."""

    name: ObjectName
    group: Group = ""
    kind: KindName = "Service"
    namespace: Namespace = ""
    port: PortNumber | None = None


class LocalObjectReference(Wire, frozen=True):
    """An object of the same namespace."""

    group: Group
    kind: KindName
    name: ObjectName


class ObjectReference(LocalObjectReference, frozen=True):
    """An object; without a namespace, of the same one."""

    namespace: Namespace = ""


class BackendRef(BackendObjectReference, frozen=True):
    """A backend and its weight."""

    weight: Weight = 1


class SecretObjectReference(Wire, frozen=True):
    """A Secret with a certificate."""

    name: ObjectName
    group: Group = ""
    kind: KindName = "Secret"
    namespace: Namespace = ""
