"""Misdirected requests (421): for a host of another HTTPS listener than the one whose certificate TLS chose.

Clients reuse an HTTP/2 connection for every host that its certificate covers. Gateway API: a request whose host belongs
to another listener of the port is answered 421, and the client opens a new connection (RFC 9110 §15.5.20).
"""

from collections.abc import Iterable

from mirrorplane.api.actions import Answer
from mirrorplane.api.gateways import ServerProtocol
from mirrorplane.api.matches import Match
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators.routers.servers import GatewayServer, gateway_servers, merge_servers

_MISDIRECTED = 421


def hosts_of_other_listeners(view: View, scope: Scope, route_config_name: str) -> frozenset[str]:
    """Return the hosts of other listeners on the port of a route configuration; none for Istio's servers.

    More specific hosts of the listener itself go before them, as everywhere.
    """
    servers = view.memo(gateway_servers, scope, route_config_name)
    if not servers or not all(map(_is_isolated_https, servers)):
        return frozenset()
    bindings = view.memo(merge_servers, scope).bindings
    binding = next(binding for binding in bindings if servers[0] in binding.gateway_servers)
    neighbours = (
        gateway_server
        for gateway_server in binding.gateway_servers
        if gateway_server.route_config_name != route_config_name and _is_isolated_https(gateway_server)
    )
    return _hosts(neighbours) - _hosts(servers)


def misdirected_route(gateway_server: GatewayServer) -> Route:
    """Return the route for requests to those hosts."""
    return Route("", Match(), Answer(_MISDIRECTED), gateway_server.about, gateway_server.server.path)


def _hosts(servers: Iterable[GatewayServer]) -> frozenset[str]:
    return frozenset(served.host for gateway_server in servers for served in gateway_server.server.hosts)


def _is_isolated_https(gateway_server: GatewayServer) -> bool:
    server = gateway_server.server
    return server.isolated and server.termination is not None and server.protocol is ServerProtocol.HTTP
