"""How one port of a host is called: which endpoint, how many at once, when not at all, and how the line is secured."""

from enum import Enum

import msgspec

from mirrorplane.api.meta import Ref


class Algorithm(Enum):
    """How an endpoint is chosen. ORIGINAL_DST: it is not, the address that the client dialled is called."""

    LEAST_REQUEST = "least_request"
    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    RING_HASH = "ring_hash"
    MAGLEV = "maglev"
    ORIGINAL_DST = "dialled"


class HashKey(msgspec.Struct, frozen=True):
    """What of a request is hashed: one of a header, a cookie, a query parameter, and the client's address.

    `cookie_ttl_ms` None: a cookie that the client lacks is not made; 0: it is, and lives as long as the client.
    """

    header: str = ""
    cookie: str = ""
    cookie_path: str = ""
    cookie_ttl_ms: int | None = None
    query: str = ""
    source_ip: bool = False


class SlowStart(msgspec.Struct, frozen=True):
    """How the share of a new endpoint grows from a percentage to the whole; `aggression` 1.0 is evenly."""

    duration_ms: int
    least_percent: float = 10.0
    aggression: float = 1.0


class LocalityDistribution(msgspec.Struct, frozen=True):
    """From localities like `origin`, so many per cent go to each of `to`. A pattern may end in `*`."""

    origin: str
    to: tuple[tuple[str, int], ...]


class LocalityLb(msgspec.Struct, frozen=True):
    """Which localities are called from where.

    `failover` says which region stands in for which. `by_labels` ranks endpoints by labels that they share with the
    proxy instead; each is a label, or `label=value`.
    """

    enabled: bool = True
    spreads: tuple[LocalityDistribution, ...] = ()
    failover: tuple[tuple[str, str], ...] = ()
    by_labels: tuple[str, ...] = ()


class Balancing(msgspec.Struct, frozen=True):
    """Which endpoint is called. `size` is that of the hash table, 0 for Envoy's own (a ring has 1,024, as in Istio)."""

    algorithm: Algorithm = Algorithm.LEAST_REQUEST
    key: HashKey | None = None
    size: int = 0
    slow_start: SlowStart | None = None
    locality_lb: LocalityLb | None = None


class Keepalive(msgspec.Struct, frozen=True):
    """TCP probes; what is 0 is as the system does."""

    probes: int = 0
    time_s: int = 0
    interval_s: int = 0


class ConnectionPool(msgspec.Struct, frozen=True):
    """Connections and requests; limits and durations that are 0 are not set, and an idle timeout of None neither.

    `http2` True: whatever the port says; None: as the mesh does. `as_client`: HTTP is spoken as the client spoke it.
    """

    connections: int = 0
    pending: int = 0
    requests: int = 0
    retries: int = 0
    requests_per_connection: int = 0
    streams: int = 0
    connect_timeout_ms: int = 0
    duration_ms: int = 0
    tcp_idle_ms: int | None = None
    http_idle_ms: int | None = None
    keepalive: Keepalive | None = None
    http2: bool | None = None
    as_client: bool = False


class OutlierDetection(msgspec.Struct, frozen=True):
    """After how many failures in a row an endpoint is left alone; 0 never, None as Envoy does.

    `most_percent` of the endpoints are left alone at most. With fewer than `healthy_percent` in order, all are called.
    """

    server_errors: int | None = None
    gateway_errors: int | None = None
    local_failures: int | None = None
    split_local: bool = False
    interval_ms: int = 0
    ejection_ms: int = 0
    most_percent: int = 0
    healthy_percent: int = 0


class TlsMode(Enum):
    """What is spoken: plain text; TLS; TLS with a certificate of ours; the same with the mesh's own certificates."""

    DISABLE = "plain"
    TLS = "tls"
    MUTUAL = "mutual"
    ISTIO_MUTUAL = "mesh"


class Tls(msgspec.Struct, frozen=True):
    """How a line is secured. Certificates are files where the proxy runs; `ca` "" is the system's bundle.

    `sni` "": the host of each request. `names`: one of them has to be in the server's certificate. `credential` is a
    secret that holds the certificates, which only routers are sent.

    `authorities` are objects that say together whose certificates hold, instead of `ca`; `shows` is a Secret,
    `namespace/name`, whose certificate is shown to servers that ask for one. `broken`: why nobody can be called so.
    """

    security: TlsMode
    certificate: str = ""
    key: str = ""
    ca: str = ""
    crl: str = ""
    credential: str = ""
    sni: str = ""
    names: tuple[str, ...] = ()
    verify: bool = True
    authorities: tuple[Ref, ...] = ()
    shows: str = ""
    broken: str = ""


class RetryBudget(msgspec.Struct, frozen=True):
    """How many retries may be under way: a percentage of the requests, or `least` if that is more."""

    percent: float = 20.0
    least: int = 3


class ClusterPolicy(msgspec.Struct, frozen=True, cache_hash=True):
    """How calls are made; a block that is None is not set. `proxy_protocol` is 0 for none, else its version."""

    balancing: Balancing | None = None
    pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: Tls | None = None
    proxy_protocol: int = 0
    retry_budget: RetryBudget | None = None

    def unusable(self, *, holds_secrets: bool) -> str:
        """Say why a proxy that is sent Secrets, or is not, cannot make such calls; "" when it can."""
        if self.tls is None:
            return ""
        if self.tls.security is TlsMode.ISTIO_MUTUAL:
            return "ISTIO_MUTUAL needs certificates for workloads, which are not issued here"
        if self.tls.broken:
            return self.tls.broken
        if self.tls.security is TlsMode.MUTUAL and self.tls.credential and not holds_secrets:
            return "a secret (credentialName) is only sent to routers that prove who they are, and MUTUAL needs it"
        return ""

    @property
    def uses_tls(self) -> bool:
        """Tell whether the proxy speaks TLS to the host."""
        return self.tls is not None and self.tls.security is not TlsMode.DISABLE

    @property
    def ranks_localities(self) -> bool:
        """Tell whether near endpoints go first (Istio: only where those that fail are left alone)."""
        near = self.balancing.locality_lb if self.balancing else None
        return self.outlier_detection is not None and (near is None or (near.enabled and not near.spreads))

    @property
    def weighs_localities(self) -> bool:
        """Tell whether localities get shares of their own."""
        near = self.balancing.locality_lb if self.balancing else None
        return near is not None and near.enabled and (bool(near.spreads) or self.outlier_detection is not None)


class Layer(msgspec.Struct, frozen=True):
    """What one policy says: for all ports, and for single ones instead."""

    whole: ClusterPolicy = ClusterPolicy()
    ports: tuple[tuple[int, ClusterPolicy], ...] = ()

    def on(self, port: int) -> ClusterPolicy | None:
        """Return what is said of a single port, if anything is."""
        return next((cluster_policy for number, cluster_policy in self.ports if number == port), None)


def overlaid(base: ClusterPolicy, layer: Layer, port: int) -> ClusterPolicy:
    """Return what a subset makes of what holds for its host.

    Istio: block by block; then what the subset says of the port replaces its four blocks, also those it leaves out.
    """
    said = {name: value for name, value in msgspec.structs.asdict(layer.whole).items() if value}
    cluster_policy = msgspec.structs.replace(base, **said) if said else base
    single = layer.on(port)
    if single is None:
        return cluster_policy
    return msgspec.structs.replace(
        cluster_policy,
        balancing=single.balancing,
        pool=single.pool,
        outlier_detection=single.outlier_detection,
        tls=single.tls,
    )
