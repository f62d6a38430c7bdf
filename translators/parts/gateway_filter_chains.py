"""Filter chains of a router's listener: one for plain HTTP, one for each server that TLS names choose between."""

from collections.abc import Iterator

from mirrorplane.api.gateways import ServerProtocol, Termination
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import L4Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.names import ANY_ADDRESS, MISSING_CLUSTER, listener
from mirrorplane.translators.parts import l4_filter_chains, network_filters, tls_passthrough
from mirrorplane.translators.parts.downstream_tls import HTTP_ALPN, taken_off
from mirrorplane.translators.parts.l4_filter_chains import Chain
from mirrorplane.translators.routers.l4_routes import rules_at
from mirrorplane.translators.routers.servers import GatewayServer, ListenerBinding, closed


def of_opening(view: View, scope: Scope, binding: ListenerBinding) -> tuple[Chain, ...]:
    """Return the chains of a listener; none where nothing could be done with connections."""
    if _is_http(binding.gateway_servers[0]):
        return (_http(view, scope, binding.gateway_servers[0]),)
    found = tuple(
        chain for gateway_server in binding.gateway_servers for chain in view.memo(_of_door, scope, gateway_server)
    )
    return (*found, *_refusing(view, binding)) if found else ()


def routes(view: View, scope: Scope, binding: ListenerBinding) -> tuple[str, ...]:
    """Return the names of the route configurations that the chains use."""
    served = (
        gateway_server.routes
        for gateway_server in binding.gateway_servers
        if gateway_server.routes and not closed(view, scope, gateway_server)
    )
    return tuple(dict.fromkeys(served))


def _is_http(gateway_server: GatewayServer) -> bool:
    return gateway_server.server.protocol is ServerProtocol.HTTP and not gateway_server.server.tls


def _of_door(view: View, scope: Scope, gateway_server: GatewayServer) -> tuple[Chain, ...]:
    server = gateway_server.server
    if closed(view, scope, gateway_server):
        return ()
    if server.protocol is ServerProtocol.HTTP:
        return (_http(view, scope, gateway_server),)
    socket = _socket(server.termination, ())
    return tuple(
        Chain(said.names, said.ranges, _bytes(view, scope, gateway_server, said.rule) + socket)
        for said in view.memo(rules_at, scope, gateway_server)
    )


def _refusing(view: View, binding: ListenerBinding) -> Iterator[Chain]:
    """Yield what closes connections for the names of a server that no rule takes, so that no wider server has them."""
    for gateway_server in binding.gateway_servers:
        names = gateway_server.server.server_names
        if gateway_server.server.isolated and gateway_server.server.tls and names:
            yield Chain(
                names, (), envoy.encode(envoy.FilterChain(filters=[network_filters.tcp_fixed(view, MISSING_CLUSTER)]))
            )


def _bytes(view: View, scope: Scope, gateway_server: GatewayServer, rule: L4Route) -> bytes:
    if tls_passthrough.passes_on(gateway_server):
        return l4_filter_chains.of_rule(view, scope, rule, gateway_server.server.number, tls_passthrough.cluster).body
    return l4_filter_chains.of_rule(view, scope, rule, gateway_server.server.number).body


def _http(view: View, scope: Scope, gateway_server: GatewayServer) -> Chain:
    prefix = (
        gateway_server.server.stat_prefix
        or f"outbound_{listener(gateway_server.server.bind or ANY_ADDRESS, gateway_server.port)}"
    )
    body = envoy.FilterChain(filters=[network_filters.http(view, scope, gateway_server.routes, prefix)])
    return Chain(
        gateway_server.server.server_names if gateway_server.server.tls else (),
        (),
        envoy.encode(body) + _tls(gateway_server),
    )


def _tls(gateway_server: GatewayServer) -> bytes:
    return _socket(gateway_server.server.termination, HTTP_ALPN)


def _socket(said: Termination | None, speaks: tuple[str, ...]) -> bytes:
    """Return the socket as the chain's field; nothing where TLS is not taken off."""
    return envoy.encode(envoy.FilterChain(transport_socket=taken_off(said, speaks))) if said is not None else b""
