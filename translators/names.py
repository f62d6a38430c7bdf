"""Names that Envoy sees. A name depends only on the thing named; Istio's form where Istio has one."""

import msgspec

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
INBOUND_PASSTHROUGH = "InboundPassthroughCluster"
HTTP_PROXY = "http_proxy"
VIRTUAL_OUTBOUND = "virtualOutbound"
VIRTUAL_INBOUND = "virtualInbound"
INBOUND = "inbound"
OUTBOUND = "outbound"
NOWHERE = "NoValidBackend"
"""A cluster that there never is: what goes there is answered at once."""
ANYWHERE = "0.0.0.0"  # noqa: S104 - where listeners stand that the kernel, or another listener, sends to
MIRROR = "mirror"
HTTP2 = "http2"
_COPY_BY_HTTP2 = "mirror-http2"
DATAGRAMS = "udp"
SEALED = "sealed"
ORIGINAL_DST = "mirrorplane.dialled_address"
"""Under this a sidecar with interception remembers the address that a client dialled."""


class ClusterName(msgspec.Struct, frozen=True):
    """`outbound|8000|v1|httpbin.default.svc.cluster.local`: direction, port, subset, host.

    A mirror's dedicated cluster is `mirror|...`: the same endpoints, other limits. `http2|...` and `mirror-http2|...`
    are spoken HTTP/2 to, though the port does not say so. That of a UDP port is `udp|...`, since a port of TCP may have
    the same number. `sealed|...` is for TLS that is passed on, where a policy has live requests wrapped in TLS.
    """

    direction: str
    port: int
    subset: str
    host: str

    @property
    def copies(self) -> bool:
        """Whether it is for copies."""
        return self.direction in {MIRROR, _COPY_BY_HTTP2}

    @property
    def http2(self) -> bool:
        """Whether HTTP/2 is spoken to it in any case."""
        return self.direction in {HTTP2, _COPY_BY_HTTP2}

    def __str__(self) -> str:
        return f"{self.direction}|{self.port}|{self.subset}|{self.host}"


def parse_cluster(name: str) -> ClusterName | None:
    """Read a cluster name back; None when it is not of the form (PassthroughCluster, BlackHoleCluster)."""
    parts = name.split("|", 3)
    if len(parts) != 4 or not parts[1].isdigit():  # noqa: PLR2004 - the form has four parts
        return None
    return ClusterName(parts[0], int(parts[1]), parts[2], parts[3])


def called(host: str, port: int, subset: str = "") -> ClusterName:
    """Return the cluster that live requests to a service use."""
    return ClusterName(OUTBOUND, port, subset, host)


def outbound(host: str, port: int, subset: str = "") -> str:
    """Return the name of the cluster that live requests to a service use (Istio)."""
    return str(called(host, port, subset))


def http2(host: str, port: int, subset: str = "") -> str:
    """Return the name of the cluster that requests to a service use which must be HTTP/2."""
    return str(ClusterName(HTTP2, port, subset, host))


def mirror(host: str, port: int, subset: str = "", *, http2: bool = False) -> str:
    """Return the name of the cluster that copies to a service use: never the live one."""
    return str(ClusterName(_COPY_BY_HTTP2 if http2 else MIRROR, port, subset, host))


def datagrams(host: str, port: int) -> str:
    """Return the name of the cluster that datagrams to a service use."""
    return str(ClusterName(DATAGRAMS, port, "", host))


def assigned(to: ClusterName) -> str:
    """Return the name of the endpoints that a cluster uses: a mirror's are the live one's."""
    return str(to) if to.direction == DATAGRAMS else outbound(to.host, to.port, to.subset)


def inbound(port: int) -> str:
    """Return the name of the cluster that what comes in to a port of the workload uses (Istio)."""
    return str(ClusterName(INBOUND, port, "", ""))


def virtual_host(host: str, port: int) -> str:
    """Return `host:port` (Istio)."""
    return f"{host}:{port}"


def listener(address: str, port: int, *, datagrams: bool = False) -> str:
    """Return `address_port` (Istio), with `_udp` behind it for datagrams."""
    return address + listener_place(port, datagrams=datagrams)


def listener_place(port: int, *, datagrams: bool) -> str:
    """Return what the name of a listener says of its port."""
    return f"_{port}_{DATAGRAMS}" if datagrams else f"_{port}"
