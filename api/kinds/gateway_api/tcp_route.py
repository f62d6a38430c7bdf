"""TCPRoute: the backends of a TCP listener."""

from typing import Annotated

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.references import BackendRef, ParentReference, SectionName
from mirrorplane.api.meta import Kind, Wire

VERSIONS = ("v1", "v1alpha2")


class TCPRouteRule(Wire, frozen=True):
    """Backends of connections, by weight."""

    backend_refs: Annotated[tuple[BackendRef, ...], Meta(min_length=1, max_length=16)]
    name: SectionName = ""


class TCPRoute(Wire, frozen=True):
    """One rule for all connections."""

    rules: Annotated[tuple[TCPRouteRule, ...], Meta(min_length=1, max_length=1)]
    parent_refs: Annotated[tuple[ParentReference, ...], Meta(max_length=32)] = ()


TCP_ROUTE = Kind(GROUP, VERSIONS, "TCPRoute", TCPRoute)
