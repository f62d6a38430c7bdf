"""HTTPRoute: rules for requests at Gateways and Services."""

from typing import Annotated, Literal

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api import GROUP, VERSIONS
from mirrorplane.api.kinds.gateway_api.filters import HTTPRouteFilter
from mirrorplane.api.kinds.gateway_api.references import BackendObjectReference, ParentReference, Weight
from mirrorplane.api.kinds.gateway_api.sessions import SessionPersistence
from mirrorplane.api.meta import Kind, Wire

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


class HTTPPathMatch(Wire, frozen=True):
    """A comparison with the path."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: Annotated[str, Meta(max_length=1024)] = "/"


class HTTPFieldMatch(Wire, frozen=True):
    """A comparison with a header. Of several whose names differ only in case, the first wins."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    value: Annotated[str, Meta(min_length=1, max_length=4096)]
    type: Literal["Exact", "RegularExpression"] = "Exact"


class HTTPQueryParamMatch(HTTPFieldMatch, frozen=True):
    """A comparison with a query parameter."""

    value: Annotated[str, Meta(min_length=1, max_length=1024)]


class HTTPRouteMatch(Wire, frozen=True):
    """A match: all fields that are set must match."""

    path: HTTPPathMatch = HTTPPathMatch()
    headers: Annotated[tuple[HTTPFieldMatch, ...], Meta(max_length=16)] = ()
    query_params: Annotated[tuple[HTTPQueryParamMatch, ...], Meta(max_length=16)] = ()
    method: Method | None = None


class HTTPBackendRef(BackendObjectReference, frozen=True):
    """A backend, its weight, and the filters of its requests."""

    weight: Weight = 1
    filters: Annotated[tuple[HTTPRouteFilter, ...], Meta(max_length=16)] = ()


class HTTPRouteTimeouts(Wire, frozen=True):
    """Timeouts of a request and of one attempt; 0s disables one."""

    request: str = ""
    backend_request: str = ""


class HTTPRouteRetry(Wire, frozen=True):
    """Retries. `attempts` does not count the first one; None: our default."""

    codes: tuple[Annotated[int, Meta(ge=400, le=599)], ...] = ()
    attempts: int | None = None
    backoff: str = ""


class HTTPRouteRule(Wire, frozen=True):
    """A rule for requests that match any of `matches`."""

    name: str = ""
    matches: Annotated[tuple[HTTPRouteMatch, ...], Meta(max_length=64)] = (HTTPRouteMatch(),)
    filters: Annotated[tuple[HTTPRouteFilter, ...], Meta(max_length=16)] = ()
    backend_refs: Annotated[tuple[HTTPBackendRef, ...], Meta(max_length=16)] = ()
    timeouts: HTTPRouteTimeouts = HTTPRouteTimeouts()
    retry: HTTPRouteRetry | None = None
    session_persistence: SessionPersistence | None = None


class HTTPRoute(Wire, frozen=True):
    """Rules for hosts; without hostnames, for all hosts of the listeners."""

    parent_refs: Annotated[tuple[ParentReference, ...], Meta(max_length=32)] = ()
    hostnames: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    rules: Annotated[tuple[HTTPRouteRule, ...], Meta(min_length=1, max_length=16)] = (HTTPRouteRule(),)


HTTP_ROUTE = Kind(GROUP, VERSIONS, "HTTPRoute", HTTPRoute)
