"""The filters of HTTPRoutes; those of GRPCRoutes are some of them."""

from typing import Annotated, Literal

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api.references import BackendObjectReference, LocalObjectReference, PortNumber
from mirrorplane.api.meta import Wire

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
MethodOrAll = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"]
HeaderName = Annotated[str, Meta(min_length=1, max_length=256)]


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


class HTTPCORSFilter(Wire, frozen=True):
    """Which other origins may read the answers. A `*` stands for all, and inside an origin for the left of its host."""

    allow_origins: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...], Meta(max_length=64)] = ()
    allow_credentials: bool = False
    allow_methods: Annotated[tuple[MethodOrAll, ...], Meta(max_length=9)] = ()
    allow_headers: Annotated[tuple[HeaderName, ...], Meta(max_length=64)] = ()
    expose_headers: Annotated[tuple[HeaderName, ...], Meta(max_length=64)] = ()
    max_age: Annotated[int, Meta(ge=1)] = 5


class GRPCAuthConfig(Wire, frozen=True):
    """What of a request is told to an authorisation server by gRPC. No header named: all of them."""

    allowed_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()


class HTTPAuthConfig(Wire, frozen=True):
    """What of a request is told to an authorisation server by HTTP, and what of its answer goes on with the request."""

    path: Annotated[str, Meta(max_length=1024)] = ""
    allowed_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    allowed_response_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()


class ForwardBodyConfig(Wire, frozen=True):
    """How much of a request's body is told to an authorisation server, in bytes; 0 is nothing."""

    max_size: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0


class HTTPExternalAuthFilter(Wire, frozen=True):
    """Who is asked whether a request may go on."""

    protocol: Literal["HTTP", "GRPC"]
    backend_ref: BackendObjectReference
    grpc: GRPCAuthConfig | None = None
    http: HTTPAuthConfig | None = None
    forward_body: ForwardBodyConfig = ForwardBodyConfig()


class HTTPRouteFilter(Wire, frozen=True):
    """What else is done with a request: `type` says what, and the field of that name how."""

    type: FilterType
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    request_redirect: HTTPRequestRedirectFilter | None = None
    url_rewrite: HTTPURLRewriteFilter | None = None
    cors: HTTPCORSFilter | None = None
    external_auth: HTTPExternalAuthFilter | None = None
    extension_ref: LocalObjectReference | None = None
