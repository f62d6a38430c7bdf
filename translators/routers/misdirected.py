"""Requests that came by the wrong connection: for a host of another HTTPS listener than the one that TLS chose.

Clients send requests for several hosts by one HTTP/2 connection if its certificate holds for all of them. Gateway API:
a request whose host belongs to another listener of the port is answered 421, and the client connects anew.
"""

from mirrorplane.api.actions import Answer
from mirrorplane.api.gateways import Speaks
from mirrorplane.api.matches import Match
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators.routers.servers import Door, doors, merged

_MISDIRECTED = 421


def elsewhere(view: View, scope: Scope, routes: str) -> frozenset[str]:
    """Return the hosts of listeners beside the one of a route configuration; nothing for servers of other APIs.

    More precise hosts of the listener itself go before them, as everywhere.
    """
    said = view.memo(doors, scope, routes)
    own = {served.host for door in said for served in door.server.hosts}
    if not said or not all(map(_is_apart, said)):
        return frozenset()
    openings = view.memo(merged, scope).openings
    opening = next(one for one in openings if said[0] in one.doors)
    others = (door for door in opening.doors if door.routes != routes and _is_apart(door))
    return frozenset(served.host for door in others for served in door.server.hosts) - own


def answer(door: Door) -> Route:
    """Return what is done with requests for those."""
    return Route("", Match(), Answer(_MISDIRECTED), door.about, door.server.path)


def _is_apart(door: Door) -> bool:
    server = door.server
    return server.isolated and server.termination is not None and server.speaks is Speaks.HTTP
