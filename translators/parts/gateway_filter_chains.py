"""Filter chains of a router's TCP listener: one for plain HTTP, or one for each server, chosen by SNI."""

from collections.abc import Iterator

from mirrorplane.api.gateways import ServerProtocol, Termination
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import L4Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.names import ANY_ADDRESS, MISSING_CLUSTER, listener
from mirrorplane.translators.parts import l4_filter_chains, network_filters, tls_passthrough
from mirrorplane.translators.parts.downstream_tls import OFFERED_HTTP, terminating_socket
from mirrorplane.translators.parts.l4_filter_chains import Chain
from mirrorplane.translators.routers.l4_routes import l4_rules
from mirrorplane.translators.routers.servers import GatewayServer, ListenerBinding, tls_problem


def listener_chains(view: View, scope: Scope, binding: ListenerBinding) -> tuple[Chain, ...]:
    """Return the chains of a listener; none where no server could do anything with a connection."""
    if _is_plain_http(binding.gateway_servers[0]):
        return (_http(view, scope, binding.gateway_servers[0]),)
    chains = tuple(
        chain for gateway_server in binding.gateway_servers for chain in view.memo(_chains, scope, gateway_server)
    )
    return (*chains, *_refusing_chains(view, binding)) if chains else ()


def routes(view: View, scope: Scope, binding: ListenerBinding) -> tuple[str, ...]:
    """Return the names of the route configurations that the chains use."""
    names = (
        gateway_server.route_config_name
        for gateway_server in binding.gateway_servers
        if gateway_server.route_config_name and not tls_problem(view, scope, gateway_server)
    )
    return tuple(dict.fromkeys(names))


def _is_plain_http(gateway_server: GatewayServer) -> bool:
    return gateway_server.server.protocol is ServerProtocol.HTTP and not gateway_server.server.tls


def _chains(view: View, scope: Scope, gateway_server: GatewayServer) -> tuple[Chain, ...]:
    server = gateway_server.server
    # A chain that names a Secret which never arrives would keep Envoy waiting, and the whole listener closed.
    if tls_problem(view, scope, gateway_server):
        return ()
    if server.protocol is ServerProtocol.HTTP:
        return (_http(view, scope, gateway_server),)
    # Appended to the encoded chain: a message is the concatenation of its fields, in any order.
    # No ALPN: what is inside TLS is known to client and service only.
    socket = _socket(server.termination, ())
    return tuple(
        Chain(server_rule.names, server_rule.ranges, _tcp(view, scope, gateway_server, server_rule.rule) + socket)
        for server_rule in view.memo(l4_rules, scope, gateway_server)
    )


def _refusing_chains(view: View, binding: ListenerBinding) -> Iterator[Chain]:
    """Yield chains that close connections for a server's names that no rule takes.

    Envoy would otherwise give them to a server with a wider name, which Gateway API forbids. See decision 0083.
    """
    for gateway_server in binding.gateway_servers:
        names = gateway_server.server.server_names
        if gateway_server.server.isolated and gateway_server.server.tls and names:
            refusal = envoy.FilterChain(filters=[network_filters.tcp_fixed(view, MISSING_CLUSTER)])
            yield Chain(names, (), envoy.encode(refusal))


def _tcp(view: View, scope: Scope, gateway_server: GatewayServer, rule: L4Route) -> bytes:
    port = gateway_server.server.number
    if tls_passthrough.is_passthrough(gateway_server):
        return l4_filter_chains.rule_chain(view, scope, rule, port, tls_passthrough.cluster).body
    return l4_filter_chains.rule_chain(view, scope, rule, port).body


def _http(view: View, scope: Scope, gateway_server: GatewayServer) -> Chain:
    server = gateway_server.server
    # Istio's form, which says "outbound" at gateways too.
    stat_prefix = server.stat_prefix or f"outbound_{listener(server.bind or ANY_ADDRESS, gateway_server.port)}"
    body = envoy.FilterChain(filters=[network_filters.http(view, scope, gateway_server.route_config_name, stat_prefix)])
    names = server.server_names if server.tls else ()
    return Chain(names, (), envoy.encode(body) + _socket(server.termination, OFFERED_HTTP))


def _socket(termination: Termination | None, alpn: tuple[str, ...]) -> bytes:
    """Return the transport socket, encoded as a field of the chain; nothing where TLS is not terminated."""
    if termination is None:
        return b""
    return envoy.encode(envoy.FilterChain(transport_socket=terminating_socket(termination, alpn)))
