"""TLSRoute: the backends of TLS connections, by SNI."""

from typing import Annotated

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.references import BackendRef, ParentReference, SectionName
from mirrorplane.api.meta import Kind, Wire

VERSIONS = ("v1", "v1alpha2", "v1alpha3")


class TLSRouteRule(Wire, frozen=True):
    """Backends of connections, by weight."""

    backend_refs: Annotated[tuple[BackendRef, ...], Meta(min_length=1, max_length=16)]
    name: SectionName = ""


class TLSRoute(Wire, frozen=True):
    """One rule for connections whose SNI matches one of the hostnames."""

    hostnames: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1024)]
    rules: Annotated[tuple[TLSRouteRule, ...], Meta(min_length=1, max_length=1)]
    parent_refs: Annotated[tuple[ParentReference, ...], Meta(max_length=32)] = ()


class AlphaTLSRoute(TLSRoute, frozen=True, kw_only=True):
    """The route as v1alpha2 has it: without hostnames, it takes every name of its listeners."""

    hostnames: Annotated[tuple[str, ...], Meta(max_length=1024)] = ()
    rules: Annotated[tuple[TLSRouteRule, ...], Meta(min_length=1, max_length=1)]


TLS_ROUTE = Kind(GROUP, VERSIONS, "TLSRoute", TLSRoute, version_specs=(("v1alpha2", AlphaTLSRoute),))
