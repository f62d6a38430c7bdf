"""DestinationRule: how a host is called.

A block that is None was not set: a broader one holds. Numbers that are 0 and durations that are "" were not set either.
"""

from msgspec import field

from mirrorplane.api.kinds.istio import GROUP, VERSIONS
from mirrorplane.api.meta import Kind, Wire


class HTTPCookie(Wire, frozen=True):
    """A cookie; one with a `ttl` is set by the proxy when the client has none."""

    name: str = ""
    path: str = ""
    ttl: str | None = None


class RingHash(Wire, frozen=True):
    """A ring with at least so many places."""

    minimum_ring_size: int = 0


class MagLev(Wire, frozen=True):
    """A table with so many places, a prime number."""

    table_size: int = 0


class ConsistentHash(Wire, frozen=True):
    """Equal keys go to the same endpoint: one kind of key, one kind of table. `minimumRingSize` is deprecated."""

    http_header_name: str = ""
    http_cookie: HTTPCookie | None = None
    use_source_ip: bool = False
    http_query_parameter_name: str = ""
    minimum_ring_size: int = 0
    ring_hash: RingHash | None = None
    maglev: MagLev | None = None


class Distribute(Wire, frozen=True):
    """From a locality, so many per cent go to each of these."""

    from_: str = field(default="", name="from")
    to: dict[str, int] = {}


class Failover(Wire, frozen=True):
    """When a region fails, the region that takes over."""

    from_: str = field(default="", name="from")
    to: str = ""


class LocalityLbSetting(Wire, frozen=True):
    """Which localities are called from where."""

    distribute: tuple[Distribute, ...] = ()
    failover: tuple[Failover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    enabled: bool | None = None


class Warmup(Wire, frozen=True):
    """How a new endpoint's share grows."""

    duration: str = ""
    minimum_percent: float | None = None
    aggression: float | None = None


class LoadBalancer(Wire, frozen=True):
    """Which endpoint is called. `warmupDurationSecs` is the deprecated form of `warmup`."""

    simple: str = ""
    consistent_hash: ConsistentHash | None = None
    locality_lb_setting: LocalityLbSetting | None = None
    warmup_duration_secs: str = ""
    warmup: Warmup | None = None


class TcpKeepalive(Wire, frozen=True):
    """Probes on idle connections."""

    probes: int = 0
    time: str = ""
    interval: str = ""


class TCPSettings(Wire, frozen=True):
    """Connections."""

    max_connections: int = 0
    connect_timeout: str = ""
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: str = ""
    idle_timeout: str | None = None


class HTTPSettings(Wire, frozen=True):
    """Requests, and how HTTP is spoken."""

    http1_max_pending_requests: int = 0
    http2_max_requests: int = 0
    max_requests_per_connection: int = 0
    max_retries: int = 0
    idle_timeout: str | None = None
    h2_upgrade_policy: str = ""
    use_client_protocol: bool = False
    max_concurrent_streams: int = 0


class ConnectionPool(Wire, frozen=True):
    """Limits of connections and requests."""

    tcp: TCPSettings | None = None
    http: HTTPSettings | None = None


class OutlierDetection(Wire, frozen=True):
    """When an endpoint is left alone for a while. `consecutiveErrors` is deprecated and changes nothing."""

    consecutive_errors: int = 0
    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failures: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_5xx_errors: int | None = field(default=None, name="consecutive5xxErrors")
    interval: str = ""
    base_ejection_time: str = ""
    max_ejection_percent: int = 0
    min_health_percent: int = 0


class ClientTLSSettings(Wire, frozen=True):
    """How TLS is spoken to the host. Certificates are files on the proxy's machine."""

    mode: str = "DISABLE"
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: bool = False


class PortSelector(Wire, frozen=True):
    """A port by its number."""

    number: int = 0


class PortTrafficPolicy(Wire, frozen=True):
    """What holds for one port, instead of what holds for all."""

    port: PortSelector | None = None
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None


class Tunnel(Wire, frozen=True):
    """TCP through another host."""

    protocol: str = ""
    target_host: str = ""
    target_port: int = 0


class ProxyProtocol(Wire, frozen=True):
    """PROXY protocol on connections to the host."""

    version: str = "V1"


class RetryBudget(Wire, frozen=True):
    """How many retries there may be, as a share of the requests under way."""

    percent: float | None = None
    min_retry_concurrency: int = 0


class TrafficPolicy(Wire, frozen=True):
    """What holds for calls to a host, or to a subset of it."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = ()
    tunnel: Tunnel | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class Subset(Wire, frozen=True):
    """A named part of a host's workloads, chosen by labels."""

    name: str
    labels: dict[str, str] = {}
    traffic_policy: TrafficPolicy | None = None


class WorkloadSelector(Wire, frozen=True):
    """The clients a rule is for, by their labels."""

    match_labels: dict[str, str] = {}


class DestinationRule(Wire, frozen=True):
    """How a host is called."""

    host: str
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()
    traffic_policy: TrafficPolicy | None = None
    workload_selector: WorkloadSelector | None = None


DESTINATION_RULE = Kind(GROUP, VERSIONS, "DestinationRule", DestinationRule)
