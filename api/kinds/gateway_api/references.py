"""How objects of Gateway API name others."""

from typing import Annotated

from msgspec import Meta

from api.kinds.gateway_api import GROUP
from api.meta import Wire

PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Weight = Annotated[int, Meta(ge=0, le=1_000_000)]


class ParentReference(Wire, frozen=True):
    """Where a route is attached: a Gateway, or one of its listeners by `sectionName`, or those of a port."""

    name: str
    group: str = GROUP
    kind: str = "Gateway"
    namespace: str = ""
    section_name: str = ""
    port: PortNumber | None = None


class BackendObjectReference(Wire, frozen=True):
    """Where requests are sent: a Service and one of its ports."""

    name: str
    group: str = ""
    kind: str = "Service"
    namespace: str = ""
    port: PortNumber | None = None


class LocalObjectReference(Wire, frozen=True):
    """An object of the same namespace."""

    group: str
    kind: str
    name: str


class BackendRef(BackendObjectReference, frozen=True):
    """A backend, and its share of the connections."""

    weight: Weight = 1


class SecretObjectReference(Wire, frozen=True):
    """A Secret with a certificate."""

    name: str
    group: str = ""
    kind: str = "Secret"
    namespace: str = ""
