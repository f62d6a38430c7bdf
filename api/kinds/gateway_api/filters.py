"""The filters of HTTPRoutes; GRPCRoutes have some of them."""

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
    """Header changes."""

    set: Annotated[tuple[HTTPHeader, ...], Meta(max_length=16)] = ()
    add: Annotated[tuple[HTTPHeader, ...], Meta(max_length=16)] = ()
    remove: Annotated[tuple[str, ...], Meta(max_length=16)] = ()


class HTTPPathModifier(Wire, frozen=True):
    """A path rewrite."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: Annotated[str, Meta(max_length=1024)] | None = None
    replace_prefix_match: Annotated[str, Meta(max_length=1024)] | None = None


class HTTPRequestRedirectFilter(Wire, frozen=True):
    """A redirect; a field that is not set keeps what the client sent."""

    scheme: Literal["http", "https"] | None = None
    hostname: str = ""
    path: HTTPPathModifier | None = None
    port: PortNumber | None = None
    status_code: Literal[301, 302, 303, 307, 308] = 302


class HTTPURLRewriteFilter(Wire, frozen=True):
    """A rewrite of the request before it is forwarded."""

    hostname: str = ""
    path: HTTPPathModifier | None = None


class Fraction(Wire, frozen=True):
    """A fraction of requests."""

    numerator: Annotated[int, Meta(ge=0)]
    denominator: Annotated[int, Meta(ge=1)] = 100


class HTTPRequestMirrorFilter(Wire, frozen=True):
    """A mirror. Without `percent` and `fraction` it copies every request."""

    backend_ref: BackendObjectReference
    percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    fraction: Fraction | None = None


class HTTPCORSFilter(Wire, frozen=True):
    """A CORS policy. `*` matches everything; inside an origin, everything to its left in the host."""

    allow_origins: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...], Meta(max_length=64)] = ()
    allow_credentials: bool = False
    allow_methods: Annotated[tuple[MethodOrAll, ...], Meta(max_length=9)] = ()
    allow_headers: Annotated[tuple[HeaderName, ...], Meta(max_length=64)] = ()
    expose_headers: Annotated[tuple[HeaderName, ...], Meta(max_length=64)] = ()
    max_age: Annotated[int, Meta(ge=1)] = 5


class GRPCAuthConfig(Wire, frozen=True):
    """What an authorization server is sent over gRPC. Without `allowedHeaders`: all headers."""

    allowed_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()


class HTTPAuthConfig(Wire, frozen=True):
    """What an authorization server is sent over HTTP, and which headers of its response are added to the request."""

    path: Annotated[str, Meta(max_length=1024)] = ""
    allowed_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    allowed_response_headers: Annotated[tuple[str, ...], Meta(max_length=64)] = ()


class ForwardBodyConfig(Wire, frozen=True):
    """How much of the request body an authorization server is sent, in bytes; 0: none."""

    max_size: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0


class HTTPExternalAuthFilter(Wire, frozen=True):
    """External authorization of requests."""

    protocol: Literal["HTTP", "GRPC"]
    backend_ref: BackendObjectReference
    grpc: GRPCAuthConfig | None = None
    http: HTTPAuthConfig | None = None
    forward_body: ForwardBodyConfig = ForwardBodyConfig()


class HTTPRouteFilter(Wire, frozen=True):
    """A filter: `type` and the field of that name, which configures it."""

    type: FilterType
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    request_redirect: HTTPRequestRedirectFilter | None = None
    url_rewrite: HTTPURLRewriteFilter | None = None
    cors: HTTPCORSFilter | None = None
    external_auth: HTTPExternalAuthFilter | None = None
    extension_ref: LocalObjectReference | None = None
