"""Requests that came by the wrong connection: for a host of another HTTPS listener than the one that TLS chose.

Clients send requests for several hosts by one HTTP/2 connection if its certificate holds for all of them. Gateway API:
a request whose host belongs to another listener of the port is answered 421, and the client connects anew.
"""

from mirrorplane.api.actions import Answer
from mirrorplane.api.gateways import ServerProtocol
from mirrorplane.api.matches import Match
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators.routers.servers import GatewayServer, gateway_servers, merge_servers

_MISDIRECTED = 421


def hosts_of_other_listeners(view: View, scope: Scope, routes: str) -> frozenset[str]:
    """Return the hosts of listeners beside the one of a route configuration; nothing for servers of other APIs.

    More precise hosts of the listener itself go before them, as everywhere.
    """
    said = view.memo(gateway_servers, scope, routes)
    own = {served.host for gateway_server in said for served in gateway_server.server.hosts}
    if not said or not all(map(_is_apart, said)):
        return frozenset()
    bindings = view.memo(merge_servers, scope).bindings
    binding = next(one for one in bindings if said[0] in one.gateway_servers)
    others = (
        gateway_server
        for gateway_server in binding.gateway_servers
        if gateway_server.routes != routes and _is_apart(gateway_server)
    )
    return frozenset(served.host for gateway_server in others for served in gateway_server.server.hosts) - own


def misdirected_route(gateway_server: GatewayServer) -> Route:
    """Return what is done with requests for those."""
    return Route("", Match(), Answer(_MISDIRECTED), gateway_server.about, gateway_server.server.path)


def _is_apart(gateway_server: GatewayServer) -> bool:
    server = gateway_server.server
    return server.isolated and server.termination is not None and server.protocol is ServerProtocol.HTTP
