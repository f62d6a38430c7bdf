"""HTTPRoute: what is done with requests at the Gateways that it is attached to."""

from typing import Annotated, Literal

from msgspec import Meta

from api.kinds.gateway_api import GROUP, VERSIONS
from api.kinds.gateway_api.references import BackendObjectReference, ParentReference, PortNumber, Weight
from api.meta import Kind, Wire

FilterType = Literal[
    "RequestHeaderModifier",
    "ResponseHeaderModifier",
    "RequestMirror",
    "RequestRedirect",
    "URLRewrite",
    "ExtensionRef",
    "CORS",
    "ExternalAuth",
]
Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


class HTTPPathMatch(Wire, frozen=True):
    """A comparison with the path."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: Annotated[str, Meta(max_length=1024)] = "/"


class HTTPFieldMatch(Wire, frozen=True):
    """A comparison with a header or a query parameter. Of several for one name the first counts."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    value: Annotated[str, Meta(min_length=1, max_length=4096)]
    type: Literal["Exact", "RegularExpression"] = "Exact"


class HTTPRouteMatch(Wire, frozen=True):
    """All of what is set must hold."""

    path: HTTPPathMatch = HTTPPathMatch()
    headers: Annotated[tuple[HTTPFieldMatch, ...], Meta(max_length=16)] = ()
    query_params: Annotated[tuple[HTTPFieldMatch, ...], Meta(max_length=16)] = ()
    method: Method | None = None


class HTTPHeader(Wire, frozen=True):
    """A header and its value."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    value: Annotated[str, Meta(min_length=1, max_length=4096)]


class HTTPHeaderFilter(Wire, frozen=True):
    """Changes of headers."""

    set: Annotated[tuple[HTTPHeader, ...], Meta(max_length=16)] = ()
    add: Annotated[tuple[HTTPHeader, ...], Meta(max_length=16)] = ()
    remove: Annotated[tuple[str, ...], Meta(max_length=16)] = ()


class HTTPPathModifier(Wire, frozen=True):
    """What a path becomes."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: Annotated[str, Meta(max_length=1024)] | None = None
    replace_prefix_match: Annotated[str, Meta(max_length=1024)] | None = None


class HTTPRequestRedirectFilter(Wire, frozen=True):
    """An answer that sends the client elsewhere; what is not set stays."""

    scheme: Literal["http", "https"] | None = None
    hostname: str = ""
    path: HTTPPathModifier | None = None
    port: PortNumber | None = None
    status_code: Literal[301, 302, 303, 307, 308] = 302


class HTTPURLRewriteFilter(Wire, frozen=True):
    """What of a request is changed before it is sent on."""

    hostname: str = ""
    path: HTTPPathModifier | None = None


class Fraction(Wire, frozen=True):
    """A share."""

    numerator: Annotated[int, Meta(ge=0)]
    denominator: Annotated[int, Meta(ge=1)] = 100


class HTTPRequestMirrorFilter(Wire, frozen=True):
    """Copies of requests. Neither `percent` nor `fraction`: of all."""

    backend_ref: BackendObjectReference
    percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    fraction: Fraction | None = None


class HTTPRouteFilter(Wire, frozen=True):
    """What else is done with a request: `type` says what, and the field of that name how."""

    type: FilterType
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    request_redirect: HTTPRequestRedirectFilter | None = None
    url_rewrite: HTTPURLRewriteFilter | None = None


class HTTPBackendRef(BackendObjectReference, frozen=True):
    """A backend, its share of the requests, and what is changed on those."""

    weight: Weight = 1
    filters: Annotated[tuple[HTTPRouteFilter, ...], Meta(max_length=16)] = ()


class HTTPRouteTimeouts(Wire, frozen=True):
    """How long a request may take, and how long one try to answer it; 0s is for ever."""

    request: str = ""
    backend_request: str = ""


class HTTPRouteRule(Wire, frozen=True):
    """What is done with requests that match any of `matches`."""

    name: str = ""
    matches: Annotated[tuple[HTTPRouteMatch, ...], Meta(max_length=64)] = (HTTPRouteMatch(),)
    filters: Annotated[tuple[HTTPRouteFilter, ...], Meta(max_length=16)] = ()
    backend_refs: Annotated[tuple[HTTPBackendRef, ...], Meta(max_length=16)] = ()
    timeouts: HTTPRouteTimeouts = HTTPRouteTimeouts()


class HTTPRoute(Wire, frozen=True):
    """Rules for hosts; without hostnames, for all that the listeners take."""

    parent_refs: Annotated[tuple[ParentReference, ...], Meta(max_length=32)] = ()
    hostnames: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    rules: Annotated[tuple[HTTPRouteRule, ...], Meta(min_length=1, max_length=16)] = (HTTPRouteRule(),)


HTTP_ROUTE = Kind(GROUP, VERSIONS, "HTTPRoute", HTTPRoute)
