"""What a port speaks, from its appProtocol, its name or its declared protocol (Istio's protocol selection)."""

from mirrorplane.api.mesh import Protocol

_TOKENS = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "grpc": Protocol.HTTP2,
    "grpc-web": Protocol.HTTP,
    "https": Protocol.TLS,
    "tls": Protocol.TLS,
    "tcp": Protocol.TCP,
    "mongo": Protocol.TCP,
    "redis": Protocol.TCP,
    "mysql": Protocol.TCP,
    "udp": Protocol.UDP,
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.TLS,
}
_SERVER_FIRST = frozenset({25, 53, 3306, 27017})
"""SMTP, DNS, MySQL, MongoDB: the server speaks first, so waiting for the client to show its protocol never ends."""


def by_token(token: str) -> Protocol | None:
    """Return the protocol a word names, or None."""
    return _TOKENS.get(token.lower())


def speaks_http(token: str) -> bool:
    """Tell whether a word names HTTP of some version, which says whom it is for."""
    return by_token(token) in {Protocol.HTTP, Protocol.HTTP2}


def is_tls(token: str) -> bool:
    """Tell whether a word names TLS, whose handshake says whom it is for."""
    return token.lower() in {"https", "tls"}


def of_port(number: int, name: str, app_protocol: str = "") -> Protocol:
    """Choose as Istio does: appProtocol if known, else the name up to its first dash, else look at the traffic."""
    prefix = "grpc-web" if name.lower().startswith("grpc-web") else name.partition("-")[0]
    known = by_token(app_protocol) or by_token(prefix)
    if known is not None:
        return known
    return Protocol.TCP if number in _SERVER_FIRST else Protocol.AUTO
