"""Listener protocols: the kinds of routes that attach to each, and which of them can share a port."""

from collections.abc import Mapping

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api import gateway as gw

RouteKind = tuple[str, str]
"""Group and kind."""

_HTTP: tuple[RouteKind, ...] = ((GROUP, "HTTPRoute"), (GROUP, "GRPCRoute"))
_TLS, _TCP = (GROUP, "TLSRoute"), (GROUP, "TCPRoute")
_KINDS: Mapping[str, tuple[RouteKind, ...]] = {
    "HTTP": _HTTP,
    "HTTPS": _HTTP,
    "TLS": (_TLS,),
    "TCP": (_TCP,),
    "UDP": ((GROUP, "UDPRoute"),),
}
"""The kinds of routes that a protocol implies. A protocol that is not here is not supported."""

PASSTHROUGH = "Passthrough"
_BY_SERVER_NAME = frozenset(("HTTPS", "TLS"))
"""Several of these can share a port: SNI tells their connections apart."""


def route_kinds(listener: gw.Listener) -> tuple[RouteKind, ...]:
    """Return the kinds of routes that can attach to a listener, whatever its `allowedRoutes`.

    Gateway API: where TLS is terminated, what is inside can be routed as TCP.
    """
    if listener.protocol == "TLS" and terminates_tls(listener):
        return (_TCP, _TLS)
    return _KINDS.get(listener.protocol, ())


def protocols() -> tuple[str, ...]:
    """Return the supported protocols."""
    return tuple(_KINDS)


def conflict_reason(listener: gw.Listener, rival: gw.Listener) -> str:
    """Return why two listeners cannot both be served, as Gateway API's reason, or "".

    Gateway API: HTTP, HTTPS and TLS are distinguished by hostname, TCP and UDP by port alone. Plain HTTP and TLS on one
    port are not supported here.
    """
    # TCP and UDP have separate port spaces.
    if listener.port != rival.port or (listener.protocol == "UDP") != (rival.protocol == "UDP"):
        return ""
    if listener.protocol != rival.protocol and not {listener.protocol, rival.protocol} <= _BY_SERVER_NAME:
        return "ProtocolConflict"
    return "HostnameConflict" if listener.hostname == rival.hostname else ""


def terminates_tls(listener: gw.Listener) -> bool:
    """Tell whether a listener terminates TLS; one for HTTPS always does, even without `tls`."""
    passes_through = listener.tls is not None and listener.tls.mode == PASSTHROUGH
    return listener.protocol in {"HTTPS", "TLS"} and not passes_through
