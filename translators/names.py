"""Names that Envoy sees. A name depends only on what it names, and has Istio's form where Istio has one."""

from enum import StrEnum

import msgspec

from mirrorplane.api.units import whole_number

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
INBOUND_PASSTHROUGH = "InboundPassthroughCluster"
HTTP_PROXY = "http_proxy"
VIRTUAL_OUTBOUND = "virtualOutbound"
VIRTUAL_INBOUND = "virtualInbound"
MISSING_CLUSTER = "NoValidBackend"
"""A cluster that is never sent: Envoy answers requests to it at once, and closes connections. See decision 0082."""
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - only listeners that Envoy binds for routers, or that are bound to nothing
ORIGINAL_DST = "mirrorplane.dialled_address"
"""The filter-state key of the address that an intercepted client dialled."""


class Purpose(StrEnum):
    """What a cluster is for. PASSTHROUGH: TLS that is forwarded as it came; its name says `sealed`."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    MIRROR = "mirror"
    PASSTHROUGH = "sealed"


class Transport(StrEnum):
    """What is spoken to a cluster. PORT: what the protocol of the service's port says."""

    PORT = ""
    HTTP2 = "http2"
    UDP = "udp"


def _prefix(purpose: Purpose, transport: Transport) -> str:
    """Return the first field of a name: `mirror-http2`, but `http2` alone for live requests."""
    if purpose is Purpose.OUTBOUND and transport:
        return str(transport)
    return f"{purpose}-{transport}" if transport else str(purpose)


_PREFIXES = {(p, t): _prefix(p, t) for p in Purpose for t in Transport}
_KEYS = {prefix: key for key, prefix in _PREFIXES.items()}


class ClusterName(msgspec.Struct, frozen=True):
    """`outbound|8000|v1|httpbin.default.svc.cluster.local`: purpose and transport, port, subset, host (Istio).

    Clusters that differ in purpose or transport share endpoints, and nothing else: a mirror's cluster has limits of its
    own (decision 0001), `http2|...` speaks HTTP/2 where the port does not say so (decision 0109), `udp|...` is apart
    because a TCP port may have the same number, and `sealed|...` is not wrapped in the TLS that a policy asks for.

    `profile` is the name of a MirrorProfile. It is a fifth field, which names have only where it is not empty (decision
    0121). No field holds a `|`: hosts are DNS names, subsets DNS labels, profiles are made of the names of objects.
    """

    purpose: Purpose
    transport: Transport
    port: int
    subset: str
    host: str
    profile: str = ""

    @property
    def endpoints(self) -> str:
        """The name of the ClusterLoadAssignment: that of the live cluster, so that endpoints are sent once."""
        transport = Transport.UDP if self.transport is Transport.UDP else Transport.PORT
        return str(ClusterName(Purpose.OUTBOUND, transport, self.port, self.subset, self.host))

    def __str__(self) -> str:
        name = f"{_PREFIXES[self.purpose, self.transport]}|{self.port}|{self.subset}|{self.host}"
        return f"{name}|{self.profile}" if self.profile else name


def parse_cluster(name: str) -> ClusterName | None:
    """Read a cluster name back; None when it is not of the form (PassthroughCluster, BlackHoleCluster)."""
    fields = name.split("|")
    key = _KEYS.get(fields[0])
    port = whole_number(fields[1]) if key and len(fields) in {4, 5} else None
    if key is None or port is None or str(port) != fields[1]:
        return None
    purpose, transport = key
    return ClusterName(purpose, transport, port, fields[2], fields[3], "".join(fields[4:]))


def outbound_cluster(host: str, port: int, subset: str = "") -> ClusterName:
    """Return the cluster that live requests to a service use."""
    return ClusterName(Purpose.OUTBOUND, Transport.PORT, port, subset, host)


def mirror_cluster(host: str, port: int, subset: str = "", *, http2: bool = False, profile: str = "") -> ClusterName:
    """Return the cluster that copies to a service use: never the live one."""
    return ClusterName(Purpose.MIRROR, Transport.HTTP2 if http2 else Transport.PORT, port, subset, host, profile)


def udp_cluster(host: str, port: int) -> ClusterName:
    """Return the cluster that datagrams to a service use."""
    return ClusterName(Purpose.OUTBOUND, Transport.UDP, port, "", host)


def outbound(host: str, port: int, subset: str = "") -> str:
    """Return the name of the cluster that live requests to a service use (Istio)."""
    return str(outbound_cluster(host, port, subset))


def http2(host: str, port: int, subset: str = "") -> str:
    """Return the name of the cluster for requests that must be HTTP/2, whatever the service's port says."""
    return str(ClusterName(Purpose.OUTBOUND, Transport.HTTP2, port, subset, host))


def inbound(port: int) -> str:
    """Return the name of the cluster for connections to a port of the sidecar's own workload (Istio)."""
    return str(ClusterName(Purpose.INBOUND, Transport.PORT, port, "", ""))


def virtual_host(host: str, port: int) -> str:
    """Return `host:port` (Istio)."""
    return f"{host}:{port}"


def listener(address: str, port: int, *, udp: bool = False) -> str:
    """Return `address_port` (Istio), with `_udp` appended for UDP."""
    return address + listener_suffix(port, udp=udp)


def listener_suffix(port: int, *, udp: bool) -> str:
    """Return the part of a listener's name that follows the address."""
    return f"_{port}_{Transport.UDP}" if udp else f"_{port}"
