"""GRPCRoute: rules for gRPC calls at Gateways and Services. Its only version is v1."""

from typing import Annotated, Literal

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.filters import HTTPHeaderFilter, HTTPRequestMirrorFilter
from mirrorplane.api.kinds.gateway_api.http_route import HTTPFieldMatch
from mirrorplane.api.kinds.gateway_api.references import (
    BackendObjectReference,
    LocalObjectReference,
    ParentReference,
    Weight,
)
from mirrorplane.api.kinds.gateway_api.sessions import SessionPersistence
from mirrorplane.api.meta import Kind, Wire

FilterType = Literal["RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef"]
Name = Annotated[str, Meta(max_length=1024)]


class GRPCMethodMatch(Wire, frozen=True):
    """A comparison with the service and the method of a call; "" matches any."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    service: Name = ""
    method: Name = ""


class GRPCRouteMatch(Wire, frozen=True):
    """A match: all fields that are set must match."""

    method: GRPCMethodMatch | None = None
    headers: Annotated[tuple[HTTPFieldMatch, ...], Meta(max_length=16)] = ()


class GRPCRouteFilter(Wire, frozen=True):
    """A filter: `type` and the field of that name, which configures it."""

    type: FilterType
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    extension_ref: LocalObjectReference | None = None


class GRPCBackendRef(BackendObjectReference, frozen=True):
    """A backend, its weight, and the filters of its calls."""

    weight: Weight = 1
    filters: Annotated[tuple[GRPCRouteFilter, ...], Meta(max_length=16)] = ()


class GRPCRouteRule(Wire, frozen=True):
    """A rule for calls that match any of `matches`; without any, for all."""

    name: str = ""
    matches: Annotated[tuple[GRPCRouteMatch, ...], Meta(max_length=64)] = ()
    filters: Annotated[tuple[GRPCRouteFilter, ...], Meta(max_length=16)] = ()
    backend_refs: Annotated[tuple[GRPCBackendRef, ...], Meta(max_length=16)] = ()
    session_persistence: SessionPersistence | None = None


class GRPCRoute(Wire, frozen=True):
    """Rules for hosts; without hostnames, for all hosts of the listeners."""

    parent_refs: Annotated[tuple[ParentReference, ...], Meta(max_length=32)] = ()
    hostnames: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    rules: Annotated[tuple[GRPCRouteRule, ...], Meta(max_length=16)] = ()


GRPC_ROUTE = Kind(GROUP, ("v1",), "GRPCRoute", GRPCRoute)
