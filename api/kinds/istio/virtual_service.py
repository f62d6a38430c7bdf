"""VirtualService: routing rules for hosts."""

from msgspec import field

from mirrorplane.api.kinds.istio import GROUP, VERSIONS
from mirrorplane.api.meta import Kind, Wire


class StringMatch(Wire, frozen=True):
    """One of the three; none of them (`{}`) means "is present" where Istio allows it."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class PortSelector(Wire, frozen=True):
    """A port by its number."""

    number: int = 0


class Destination(Wire, frozen=True):
    """A host, perhaps a subset of it, perhaps one of its ports."""

    host: str
    subset: str = ""
    port: PortSelector | None = None


class Percent(Wire, frozen=True):
    """A percentage, 0 to 100. `{}` is 0, not 100."""

    value: float = 0.0


class MatchRequest(Wire, frozen=True):
    """HTTPMatchRequest: all of what is set must hold."""

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
    """Changes of headers; `Host` and `:authority` are allowed for requests, in `set` and `add`."""

    set: dict[str, str] = {}
    add: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Wire, frozen=True):
    """Changes of the headers of requests and of responses."""

    request: HeaderOperations = HeaderOperations()
    response: HeaderOperations = HeaderOperations()


class RouteDestination(Wire, frozen=True):
    """A destination, its share of the requests, and what is changed on those."""

    destination: Destination
    weight: int = 0
    headers: Headers = Headers()


class MirrorPolicy(Wire, frozen=True):
    """HTTPMirrorPolicy: one of several mirrors. Absent percentage: all requests."""

    destination: Destination
    percentage: Percent | None = None


class Redirect(Wire, frozen=True):
    """HTTPRedirect: what is not set stays as the client said it. `redirectCode` 0 is 301."""

    uri: str = ""
    prefix_rewrite: str = ""
    authority: str = ""
    scheme: str = ""
    port: int = 0
    derive_port: str = ""
    redirect_code: int = 0


class Body(Wire, frozen=True):
    """The body of an answer: text, or bytes in base64."""

    string: str | None = None
    data: bytes | None = field(default=None, name="bytes")


class DirectResponse(Wire, frozen=True):
    """HTTPDirectResponse: an answer from the proxy itself."""

    status: int
    body: Body = Body()


class Delegate(Wire, frozen=True):
    """Another VirtualService, whose rules stand in place of this one. No namespace: that of the root."""

    name: str
    namespace: str = ""


class RegexRewrite(Wire, frozen=True):
    """What of a path is replaced by what; a backslash and 1 are the first group."""

    match: str = ""
    rewrite: str = ""


class Rewrite(Wire, frozen=True):
    """HTTPRewrite: one of the two ways to change the path, and the host."""

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
    """A delay for a share of the requests. `percent` is the deprecated form of `percentage`."""

    fixed_delay: str = ""
    percentage: Percent | None = None
    percent: int = 0
    exponential_delay: str = ""


class Abort(Wire, frozen=True):
    """A failure for a share of the requests."""

    http_status: int = 0
    grpc_status: str = ""
    http2_error: str = ""
    percentage: Percent | None = None


class Fault(Wire, frozen=True):
    """HTTPFaultInjection: failures on purpose."""

    delay: Delay | None = None
    abort: Abort | None = None


class CorsPolicy(Wire, frozen=True):
    """Which other origins may read the answers. `allowOrigin` is the deprecated form of `allowOrigins`."""

    allow_origin: tuple[str, ...] = ()
    allow_origins: tuple[StringMatch, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: str = ""
    allow_credentials: bool | None = None
    unmatched_preflights: str = ""


class HTTPRoute(Wire, frozen=True):
    """One rule of a VirtualService. Both spellings of the deprecated integer percentage are read.

    A field that is None was not set: a delegate takes it from its root.
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
    """L4MatchAttributes, and TLSMatchAttributes, which have `sniHosts` too: all of what is set must hold."""

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    port: int = 0
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class StreamDestination(Wire, frozen=True):
    """A destination of connections and its share of them."""

    destination: Destination
    weight: int = 0


class StreamRoute(Wire, frozen=True):
    """TCPRoute, TLSRoute: connections that match any of `match` go to `route`."""

    match: tuple[StreamMatch, ...] = ()
    route: tuple[StreamDestination, ...] = ()


class VirtualService(Wire, frozen=True):
    """Routing rules for hosts. Without hosts it is a delegate, whose rules others take over."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[StreamRoute, ...] = ()
    tcp: tuple[StreamRoute, ...] = ()
    export_to: tuple[str, ...] = ()


VIRTUAL_SERVICE = Kind(GROUP, VERSIONS, "VirtualService", VirtualService)
