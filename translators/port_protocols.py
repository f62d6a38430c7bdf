"""The protocol of a port, from its appProtocol, its name or its declared protocol (Istio's protocol selection)."""

from mirrorplane.api.cluster_policy import ConnectionPool
from mirrorplane.api.mesh import Protocol

_TOKENS = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "grpc": Protocol.HTTP2,
    "grpc-web": Protocol.HTTP,
    # Encrypted by the workload itself, so opaque to a sidecar (Istio).
    "https": Protocol.TLS,
    "tls": Protocol.TLS,
    "tcp": Protocol.TCP,
    # Istio has filters for these three behind feature flags; without the flags they are TCP there too.
    "mongo": Protocol.TCP,
    "redis": Protocol.TCP,
    "mysql": Protocol.TCP,
    "udp": Protocol.UDP,
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.TLS,
}
_SERVER_FIRST = frozenset({25, 53, 3306, 27017})
"""SMTP, DNS, MySQL, MongoDB: the server speaks first, so detection from the client's first bytes would time out."""


def protocol_of_token(token: str) -> Protocol | None:
    """Return the protocol of a token such as `grpc-web`; None if it is unknown."""
    return _TOKENS.get(token.lower())


def speaks_http(token: str) -> bool:
    """Tell whether a token names a version of HTTP, whose requests carry their host."""
    return protocol_of_token(token) in {Protocol.HTTP, Protocol.HTTP2}


def is_tls(token: str) -> bool:
    """Tell whether a token names TLS, whose handshake carries the host."""
    return token.lower() in {"https", "tls"}


def protocol_of_port(number: int, name: str, app_protocol: str = "") -> Protocol:
    """Choose as Istio does: a known appProtocol, else the name up to its first dash, else AUTO."""
    prefix = "grpc-web" if name.lower().startswith("grpc-web") else name.partition("-")[0]
    declared = protocol_of_token(app_protocol) or protocol_of_token(prefix)
    if declared is not None:
        return declared
    return Protocol.TCP if number in _SERVER_FIRST else Protocol.AUTO


def requires_http2(protocol: Protocol, rule: ConnectionPool | None, *, upgrade: bool) -> bool:
    """Tell whether a port is called over HTTP/2, whatever the client speaks.

    `upgrade`: HTTP/2 for ports that are HTTP, unless the rule forbids it (Istio: h2UpgradePolicy).
    """
    pool = rule or ConnectionPool()
    if pool.use_client_protocol or protocol is Protocol.HTTP2:
        return not pool.use_client_protocol
    return upgrade and protocol is Protocol.HTTP if pool.http2 is None else pool.http2
