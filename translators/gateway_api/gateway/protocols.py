"""What listeners of each protocol take, and which of them can stand on one port."""

from collections.abc import Mapping

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api import gateway as gw

RouteKind = tuple[str, str]
"""Group and kind."""

_HTTP: tuple[RouteKind, ...] = ((GROUP, "HTTPRoute"), (GROUP, "GRPCRoute"))
_KINDS: Mapping[str, tuple[RouteKind, ...]] = {
    "HTTP": _HTTP,
    "HTTPS": _HTTP,
    "TLS": ((GROUP, "TLSRoute"),),
    "TCP": ((GROUP, "TCPRoute"),),
    "UDP": ((GROUP, "UDPRoute"),),
}
"""The kinds of routes that a protocol implies. A protocol that is not here is not served."""

PASSTHROUGH = "Passthrough"
_BY_NAME = frozenset(("HTTPS", "TLS"))
"""Several of these share a port: the names that clients ask for in TLS tell them apart."""


def kinds_of(said: gw.Listener) -> tuple[RouteKind, ...]:
    """Return the kinds of routes that may be attached to a listener, its `allowedRoutes` left aside."""
    return _KINDS.get(said.protocol, ())


def protocols() -> tuple[str, ...]:
    """Return the protocols that are served."""
    return tuple(_KINDS)


def clash(one: gw.Listener, other: gw.Listener) -> str:
    """Return why two listeners cannot both be served, as Gateway API's reason, or "".

    Gateway API: HTTP, HTTPS and TLS are told apart by hosts, TCP and UDP by the port alone. Plain HTTP and TLS cannot
    share a port here.
    """
    if one.port != other.port or (one.protocol == "UDP") != (other.protocol == "UDP"):
        return ""
    if one.protocol != other.protocol and not {one.protocol, other.protocol} <= _BY_NAME:
        return "ProtocolConflict"
    return "HostnameConflict" if one.hostname == other.hostname else ""


def ends_tls(said: gw.Listener) -> bool:
    """Tell whether a listener takes TLS off, which one for HTTPS does whatever it says or does not say."""
    passes = said.tls is not None and said.tls.mode == PASSTHROUGH
    return said.protocol in {"HTTPS", "TLS"} and not passes
