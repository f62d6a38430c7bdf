"""How one port of a host is called: load balancing, connection limits, outlier detection and TLS.

The fields are those of Istio's TrafficPolicy and Envoy's Cluster, with durations in milliseconds.
"""

from enum import Enum

import msgspec

from mirrorplane.api.meta import Ref


class Algorithm(Enum):
    """How an endpoint is chosen. ORIGINAL_DST chooses none: it dials the original destination address."""

    LEAST_REQUEST = "least_request"
    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    RING_HASH = "ring_hash"
    MAGLEV = "maglev"
    ORIGINAL_DST = "original_dst"


class HashKey(msgspec.Struct, frozen=True):
    """What part of a request is hashed: exactly one of a header, a cookie, a query parameter, the client's address.

    `cookie_ttl_ms` None: never set a missing cookie. 0: set a session cookie. Otherwise: set one with this lifetime.
    `cookie_attributes` are names and values in Set-Cookie.
    """

    header: str = ""
    cookie: str = ""
    cookie_path: str = ""
    cookie_ttl_ms: int | None = None
    cookie_attributes: tuple[tuple[str, str], ...] = ()
    query: str = ""
    source_ip: bool = False


class SlowStart(msgspec.Struct, frozen=True):
    """How the weight of a new endpoint grows to its full value; `aggression` 1.0 is linear growth (Envoy)."""

    duration_ms: int
    # Envoy's default, and Istio's.
    min_weight_percent: float = 10.0
    aggression: float = 1.0


class LocalityDistribution(msgspec.Struct, frozen=True):
    """How clients in localities matching `source` split requests: a percentage for each locality pattern.

    A pattern is `region/zone/subzone`, and its last part may be `*`.
    """

    source: str
    weights: tuple[tuple[str, int], ...]


class LocalityLb(msgspec.Struct, frozen=True):
    """Which localities are preferred.

    `failover` pairs a region with the region that replaces it. `failover_priority` ranks endpoints by the labels that
    they share with the proxy instead; each entry is `label` or `label=value`.

    `zone_aware` (Istio: zoneAwareLbSetting): regions are always ranked, and `failover_priority` before them; zones are
    not.
    """

    enabled: bool = True
    distribute: tuple[LocalityDistribution, ...] = ()
    failover: tuple[tuple[str, str], ...] = ()
    failover_priority: tuple[str, ...] = ()
    zone_aware: bool = False


class Utilization(msgspec.Struct, frozen=True):
    """How the load that endpoints report (ORCA) becomes their weight. None is Envoy's default: 10 s, 3 min, 1 s.

    A report counts from `blackout_ms` after an endpoint's first one until it is `expiration_ms` old. `metrics` are
    names as in `named_metrics.queue`; without any the utilization of the application counts.
    """

    blackout_ms: int | None = None
    expiration_ms: int | None = None
    update_ms: int | None = None
    error_penalty: float = 0.0
    metrics: tuple[str, ...] = ()


class LoadBalancer(msgspec.Struct, frozen=True):
    """How an endpoint is chosen. `table_size` is that of the hash table; 0 is Envoy's default (1,024 for rings).

    With `utilization` endpoints take turns by the load that they report, whatever the algorithm.
    """

    algorithm: Algorithm = Algorithm.LEAST_REQUEST
    hash_key: HashKey | None = None
    table_size: int = 0
    slow_start: SlowStart | None = None
    locality_lb: LocalityLb | None = None
    utilization: Utilization | None = None


class Keepalive(msgspec.Struct, frozen=True):
    """TCP keepalive probes; 0 is the operating system's default."""

    probes: int = 0
    time_s: int = 0
    interval_s: int = 0


class Http2Keepalive(msgspec.Struct, frozen=True):
    """How often an HTTP/2 connection is pinged, and how long until it is closed for want of an answer."""

    interval_ms: int
    timeout_ms: int


class ConnectionPool(msgspec.Struct, frozen=True):
    """Limits of connections and requests. A limit or duration of 0, and an idle timeout of None, is unset.

    `http2` overrides the protocol that the port declares; None is the mesh's default. `use_client_protocol` repeats
    the HTTP version that the client used.
    """

    max_connections: int = 0
    max_pending_requests: int = 0
    max_requests: int = 0
    max_retries: int = 0
    max_requests_per_connection: int = 0
    max_concurrent_streams: int = 0
    connect_timeout_ms: int = 0
    max_connection_duration_ms: int = 0
    tcp_idle_timeout_ms: int | None = None
    http_idle_timeout_ms: int | None = None
    keepalive: Keepalive | None = None
    http2: bool | None = None
    use_client_protocol: bool = False
    http2_keepalive: Http2Keepalive | None = None


class OutlierDetection(msgspec.Struct, frozen=True):
    """After how many failures in a row an endpoint is ejected: 0 is never, None is Envoy's default.

    At most `max_ejection_percent` of the endpoints are ejected. Below `min_health_percent` healthy endpoints, all
    endpoints receive requests again (Envoy's panic threshold). `error_statuses` replace 500 to 599 as failures.
    """

    consecutive_5xx: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_local_origin_failures: int | None = None
    split_local_origin_errors: bool = False
    interval_ms: int = 0
    base_ejection_ms: int = 0
    max_ejection_percent: int = 0
    min_health_percent: int = 0
    error_statuses: tuple[int, ...] = ()


class TlsMode(Enum):
    """Plaintext; TLS; TLS with a client certificate of the user's; TLS with the mesh's own certificates."""

    DISABLE = "plain"
    TLS = "tls"
    MUTUAL = "mutual"
    ISTIO_MUTUAL = "mesh"


class Tls(msgspec.Struct, frozen=True):
    """How a proxy originates TLS. Certificates are files on the proxy's machine; `ca` "" is the system's CA bundle.

    `sni` "" is the Host of each request. The server's certificate must contain one of `subject_alt_names`.
    `credential_name` is a Secret with the certificates, sent only to routers.

    `ca_refs` are objects whose CA certificates, taken together, replace `ca`. `client_certificate_ref` is the Secret
    (`namespace/name`) of the client certificate. `problem`: why no such connection can be made, "" when it can.
    """

    mode: TlsMode
    certificate: str = ""
    key: str = ""
    ca: str = ""
    crl: str = ""
    credential_name: str = ""
    sni: str = ""
    subject_alt_names: tuple[str, ...] = ()
    verify: bool = True
    ca_refs: tuple[Ref, ...] = ()
    client_certificate_ref: str = ""
    problem: str = ""


class RetryBudget(msgspec.Struct, frozen=True):
    """How many retries may be in flight: `percent` of the active requests, and never fewer than `min_concurrency`.

    With an `interval_ms`, of the requests of that time too.
    """

    # Envoy's defaults, and Istio's.
    percent: float = 20.0
    min_concurrency: int = 3
    interval_ms: int = 0


class ClusterPolicy(msgspec.Struct, frozen=True, cache_hash=True):
    """All settings of one cluster; a block that is None is unset. `proxy_protocol` is its version, 0 for none."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: Tls | None = None
    proxy_protocol: int = 0
    retry_budget: RetryBudget | None = None

    def tls_problem(self, *, holds_secrets: bool) -> str:
        """Return why a proxy that receives Secrets, or one that does not, cannot originate this TLS; "" if it can."""
        if self.tls is None:
            return ""
        if self.tls.mode is TlsMode.ISTIO_MUTUAL:
            return "ISTIO_MUTUAL needs workload certificates, which Mirrorplane does not issue"
        if self.tls.problem:
            return self.tls.problem
        if self.tls.mode is TlsMode.MUTUAL and self.tls.credential_name and not holds_secrets:
            return "MUTUAL with credentialName needs a Secret, and Secrets are sent only to authenticated routers"
        return ""

    @property
    def uses_tls(self) -> bool:
        """Whether the proxy originates TLS to the host."""
        return self.tls is not None and self.tls.mode is not TlsMode.DISABLE

    @property
    def ranks_localities(self) -> bool:
        """Whether near endpoints get a higher priority."""
        locality_lb = self.load_balancer.locality_lb if self.load_balancer else None
        if locality_lb is not None and locality_lb.zone_aware:
            return locality_lb.enabled
        # Istio: only with outlier detection, since without it traffic would never leave a failing locality.
        return self.outlier_detection is not None and (
            locality_lb is None or (locality_lb.enabled and not locality_lb.distribute)
        )

    @property
    def weighs_localities(self) -> bool:
        """Whether localities have weights of their own."""
        locality_lb = self.load_balancer.locality_lb if self.load_balancer else None
        if locality_lb is None or not locality_lb.enabled or locality_lb.zone_aware:
            return False
        if self.load_balancer is not None and self.load_balancer.utilization is not None:
            return False
        # Istio: failover is in force only with outlier detection.
        return bool(locality_lb.distribute) or self.outlier_detection is not None


class Layer(msgspec.Struct, frozen=True):
    """What one rule or subset sets: for all ports, and per port number, which replaces it."""

    all_ports: ClusterPolicy = ClusterPolicy()
    by_port: tuple[tuple[int, ClusterPolicy], ...] = ()

    def for_port(self, port: int) -> ClusterPolicy | None:
        """Return the policy of a single port; None when it has none."""
        return next((policy for number, policy in self.by_port if number == port), None)


def merge_layer(base: ClusterPolicy, layer: Layer, port: int) -> ClusterPolicy:
    """Merge a subset's layer into the policy of its host.

    Istio merges block by block. A port-level policy of the subset then replaces its four blocks, including those that
    it leaves unset.
    """
    blocks = {name: value for name, value in msgspec.structs.asdict(layer.all_ports).items() if value}
    merged = msgspec.structs.replace(base, **blocks) if blocks else base
    port_policy = layer.for_port(port)
    if port_policy is None:
        return merged
    return msgspec.structs.replace(
        merged,
        load_balancer=port_policy.load_balancer,
        connection_pool=port_policy.connection_pool,
        outlier_detection=port_policy.outlier_detection,
        tls=port_policy.tls,
    )
