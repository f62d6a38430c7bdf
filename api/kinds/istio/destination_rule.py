"""DestinationRule: how a host is called.

A block that is None is unset, so that a broader one applies. A number of 0 and a duration of "" are unset too.
"""

from msgspec import field

from mirrorplane.api.kinds.istio import GROUP, VERSIONS
from mirrorplane.api.meta import Kind, Wire


class CookieAttribute(Wire, frozen=True):
    """An attribute of Set-Cookie, such as SameSite=Strict; without a value, such as Secure."""

    name: str = ""
    value: str = ""


class HTTPCookie(Wire, frozen=True):
    """A cookie; with a `ttl` the proxy sets it, with the attributes, for clients that lack it."""

    name: str = ""
    path: str = ""
    ttl: str | None = None
    attributes: tuple[CookieAttribute, ...] = ()


class RingHash(Wire, frozen=True):
    """A hash ring and its minimum size."""

    minimum_ring_size: int = 0


class MagLev(Wire, frozen=True):
    """A Maglev table; its size is a prime number."""

    table_size: int = 0


class ConsistentHash(Wire, frozen=True):
    """Requests with equal keys go to one endpoint: one key, one table. `minimumRingSize` is deprecated."""

    http_header_name: str = ""
    http_cookie: HTTPCookie | None = None
    use_source_ip: bool = False
    http_query_parameter_name: str = ""
    minimum_ring_size: int = 0
    ring_hash: RingHash | None = None
    maglev: MagLev | None = None


class Distribute(Wire, frozen=True):
    """How clients in one locality split their requests, in per cent by locality."""

    from_: str = field(default="", name="from")
    to: dict[str, int] = {}


class Failover(Wire, frozen=True):
    """The region that takes over from a failing one."""

    from_: str = field(default="", name="from")
    to: str = ""


class LocalityLbSetting(Wire, frozen=True):
    """Which localities are preferred."""

    distribute: tuple[Distribute, ...] = ()
    failover: tuple[Failover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    enabled: bool | None = None


class ZoneAwareLbSetting(Wire, frozen=True):
    """Endpoints of the proxy's region are preferred. `minClusterSize` has no effect."""

    enabled: bool | None = None
    failover: tuple[Failover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    min_cluster_size: int | None = None


class Warmup(Wire, frozen=True):
    """How a new endpoint's weight grows."""

    duration: str = ""
    minimum_percent: float | None = None
    aggression: float | None = None


class BackendUtilization(Wire, frozen=True):
    """Endpoints are weighted by the load that they report (ORCA)."""

    weight_stabilization_period: str | None = None
    weight_expiration_period: str | None = None
    weight_update_period: str | None = None
    error_utilization_penalty_percent: int = 0
    metric_names_for_computing_utilization: tuple[str, ...] = ()


class LoadBalancer(Wire, frozen=True):
    """How an endpoint is chosen. `warmupDurationSecs` is the deprecated form of `warmup`."""

    simple: str = ""
    consistent_hash: ConsistentHash | None = None
    backend_utilization: BackendUtilization | None = None
    locality_lb_setting: LocalityLbSetting | None = None
    zone_aware_lb_setting: ZoneAwareLbSetting | None = None
    warmup_duration_secs: str = ""
    warmup: Warmup | None = None


class TcpKeepalive(Wire, frozen=True):
    """TCP keepalive probes."""

    probes: int = 0
    time: str = ""
    interval: str = ""


class TCPSettings(Wire, frozen=True):
    """Limits of TCP connections."""

    max_connections: int = 0
    connect_timeout: str = ""
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: str = ""
    idle_timeout: str | None = None


class Http2KeepAlive(Wire, frozen=True):
    """PING frames on HTTP/2 connections: how often, and how long their answer may take."""

    interval: str = ""
    timeout: str = ""


class HTTPSettings(Wire, frozen=True):
    """Limits of requests, and the HTTP version."""

    http1_max_pending_requests: int = 0
    http2_max_requests: int = 0
    max_requests_per_connection: int = 0
    max_retries: int = 0
    idle_timeout: str | None = None
    h2_upgrade_policy: str = ""
    use_client_protocol: bool = False
    max_concurrent_streams: int = 0
    http2_keep_alive: Http2KeepAlive | None = None


class ConnectionPool(Wire, frozen=True):
    """Limits of connections and requests."""

    tcp: TCPSettings | None = None
    http: HTTPSettings | None = None


class OutlierDetection(Wire, frozen=True):
    """When an endpoint is ejected. `consecutiveErrors` is deprecated and has no effect.

    Only answers with one of `outlierDetectionHttpErrorCodes` are errors; without any, those with 500 to 599.
    """

    consecutive_errors: int = 0
    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failures: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_5xx_errors: int | None = field(default=None, name="consecutive5xxErrors")
    interval: str = ""
    base_ejection_time: str = ""
    max_ejection_percent: int = 0
    min_health_percent: int = 0
    outlier_detection_http_error_codes: tuple[int, ...] = ()
    failure_percentage_threshold: int | None = None


class ClientTLSSettings(Wire, frozen=True):
    """How TLS is originated. Certificates are files on the proxy's machine."""

    mode: str = "DISABLE"
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    ca_cert_credential_name: str = ""
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: bool = False


class PortSelector(Wire, frozen=True):
    """A port by its number."""

    number: int = 0


class PortTrafficPolicy(Wire, frozen=True):
    """The policy of one port, which replaces that of all ports."""

    port: PortSelector | None = None
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None


class Tunnel(Wire, frozen=True):
    """TCP tunnelled through another host."""

    protocol: str = ""
    target_host: str = ""
    target_port: int = 0


class ProxyProtocol(Wire, frozen=True):
    """PROXY protocol on connections to the host."""

    version: str = "V1"


class RetryBudget(Wire, frozen=True):
    """How many retries may be in flight, as a percentage of the active requests.

    With `budgetInterval`, of the requests that were sent during it, too.
    """

    percent: float | None = None
    min_retry_concurrency: int = 0
    budget_interval: str = ""


class TrafficPolicy(Wire, frozen=True):
    """The policy for calls to a host, or to a subset of it."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = ()
    tunnel: Tunnel | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class Subset(Wire, frozen=True):
    """A named group of a host's workloads, selected by labels."""

    name: str
    labels: dict[str, str] = {}
    traffic_policy: TrafficPolicy | None = None


class WorkloadSelector(Wire, frozen=True):
    """The clients that a rule applies to, by their labels."""

    match_labels: dict[str, str] = {}


class DestinationRule(Wire, frozen=True):
    """How a host is called."""

    host: str
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()
    traffic_policy: TrafficPolicy | None = None
    workload_selector: WorkloadSelector | None = None


DESTINATION_RULE = Kind(GROUP, VERSIONS, "DestinationRule", DestinationRule)
