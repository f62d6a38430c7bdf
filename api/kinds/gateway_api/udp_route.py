"""UDPRoute: the backends of a UDP listener."""

from typing import Annotated

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.references import BackendRef, ParentReference, SectionName
from mirrorplane.api.meta import Kind, Wire

VERSIONS = ("v1", "v1alpha2")


class UDPRouteRule(Wire, frozen=True):
    """Backends of datagrams, by weight."""

    backend_refs: Annotated[tuple[BackendRef, ...], Meta(min_length=1, max_length=16)]
    name: SectionName = ""


class UDPRoute(Wire, frozen=True):
    """One rule for all datagrams."""

    rules: Annotated[tuple[UDPRouteRule, ...], Meta(min_length=1, max_length=1)]
    parent_refs: Annotated[tuple[ParentReference, ...], Meta(max_length=32)] = ()


UDP_ROUTE = Kind(GROUP, VERSIONS, "UDPRoute", UDPRoute)
