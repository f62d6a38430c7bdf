"""VirtualService: routing rules for hosts."""

from msgspec import field

from mirrorplane.api.kinds.istio import GROUP, VERSIONS
from mirrorplane.api.meta import Kind, Wire


class StringMatch(Wire, frozen=True):
    """Exactly one of the three; `{}` means "is present" where Istio allows it."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class PortSelector(Wire, frozen=True):
    """A port by its number."""

    number: int = 0


class Destination(Wire, frozen=True):
    """A host, with an optional subset and port."""

    host: str
    subset: str = ""
    port: PortSelector | None = None


class Percent(Wire, frozen=True):
    """A percentage, 0 to 100. `{}` is 0, not 100."""

    value: float = 0.0


class MatchRequest(Wire, frozen=True):
    """HTTPMatchRequest: every field that is set must match."""

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = {}
    without_headers: dict[str, StringMatch] = {}
    query_params: dict[str, StringMatch] = {}
    ignore_uri_case: bool = False
    port: int = 0
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    stat_prefix: str = ""


class HeaderOperations(Wire, frozen=True):
    """Header operations. On requests, `set` and `add` may change `Host` and `:authority`."""

    set: dict[str, str] = {}
    add: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Wire, frozen=True):
    """Header operations on requests and on responses."""

    request: HeaderOperations = HeaderOperations()
    response: HeaderOperations = HeaderOperations()


class RouteDestination(Wire, frozen=True):
    """A destination, its weight, and the header operations for its requests."""

    destination: Destination
    weight: int = 0
    headers: Headers = Headers()


class MirrorPolicy(Wire, frozen=True):
    """HTTPMirrorPolicy: one of several mirrors. Without percentage: all requests."""

    destination: Destination
    percentage: Percent | None = None


class Redirect(Wire, frozen=True):
    """HTTPRedirect: unset parts of the URL come from the request. `redirectCode` 0 is 301."""

    uri: str = ""
    prefix_rewrite: str = ""
    authority: str = ""
    scheme: str = ""
    port: int = 0
    derive_port: str = ""
    redirect_code: int = 0


class Body(Wire, frozen=True):
    """The body of a direct response: text, or bytes in base64."""

    string: str | None = None
    data: bytes | None = field(default=None, name="bytes")


class DirectResponse(Wire, frozen=True):
    """HTTPDirectResponse: a response from the proxy itself."""

    status: int
    body: Body = Body()


class Delegate(Wire, frozen=True):
    """Another VirtualService, whose rules replace this one. The default namespace is that of the root."""

    name: str
    namespace: str = ""


class RegexRewrite(Wire, frozen=True):
    """A regex and its replacement in a path; a backslash and 1 refer to the first group."""

    match: str = ""
    rewrite: str = ""


class Rewrite(Wire, frozen=True):
    """HTTPRewrite: the host, and the path in one of two ways."""

    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None


class Retry(Wire, frozen=True):
    """HTTPRetry. `attempts` 0 turns retries off."""

    attempts: int = 0
    per_try_timeout: str = ""
    retry_on: str = ""
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: str = ""


class Delay(Wire, frozen=True):
    """A delay for a percentage of the requests. `percent` is the deprecated form of `percentage`."""

    fixed_delay: str = ""
    percentage: Percent | None = None
    percent: int = 0
    exponential_delay: str = ""


class Abort(Wire, frozen=True):
    """An error response for a percentage of the requests."""

    http_status: int = 0
    grpc_status: str = ""
    http2_error: str = ""
    percentage: Percent | None = None


class Fault(Wire, frozen=True):
    """HTTPFaultInjection: injected delays and errors."""

    delay: Delay | None = None
    abort: Abort | None = None


class CorsPolicy(Wire, frozen=True):
    """Which origins may read the responses. `allowOrigin` is the deprecated form of `allowOrigins`."""

    allow_origin: tuple[str, ...] = ()
    allow_origins: tuple[StringMatch, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: str = ""
    allow_credentials: bool | None = None
    unmatched_preflights: str = ""


class HTTPRoute(Wire, frozen=True):
    """One rule of a VirtualService. Both spellings of the deprecated integer percentage are decoded.

    A field that is None is unset: a delegate inherits it from its root.
    """

    name: str = ""
    match: tuple[MatchRequest, ...] = ()
    route: tuple[RouteDestination, ...] = ()
    redirect: Redirect | None = None
    direct_response: DirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: Rewrite | None = None
    timeout: str | None = None
    retries: Retry | None = None
    fault: Fault | None = None
    mirror: Destination | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()
    mirror_percentage: Percent | None = None
    mirror_percent: int | None = None
    mirror_percent_snake: int | None = field(default=None, name="mirror_percent")
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None


class StreamMatch(Wire, frozen=True):
    """L4MatchAttributes, and TLSMatchAttributes, which add `sniHosts`: every field that is set must match.

    `sourceSubnet` has no effect, in Istio either.
    """

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    source_subnet: str = ""
    port: int = 0
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class StreamDestination(Wire, frozen=True):
    """A destination of connections and its weight."""

    destination: Destination
    weight: int = 0


class StreamRoute(Wire, frozen=True):
    """TCPRoute, TLSRoute: connections that match any of `match` go to `route`."""

    match: tuple[StreamMatch, ...] = ()
    route: tuple[StreamDestination, ...] = ()


class VirtualService(Wire, frozen=True):
    """Routing rules for hosts. Without hosts it is a delegate, for use by other VirtualServices."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[StreamRoute, ...] = ()
    tcp: tuple[StreamRoute, ...] = ()
    export_to: tuple[str, ...] = ()


VIRTUAL_SERVICE = Kind(GROUP, VERSIONS, "VirtualService", VirtualService)
