"""Requests that came by the wrong connection: for a host of another HTTPS listener than the one that TLS chose.

Clients send requests for several hosts by one HTTP/2 connection if its certificate holds for all of them. Gateway API:
a request whose host belongs to another listener of the port is answered 421, and the client connects anew.
"""

from collections.abc import Mapping

from api.actions import Answer
from api.gateways import Speaks
from api.matches import Match
from api.proxy import Scope
from api.routes import Route
from api.view import View
from translators.gateways import Door, merged

_MISDIRECTED = 421


def misdirected(view: View, scope: Scope, routes: str) -> Mapping[str, Route]:
    """Return the hosts that listeners beside the one of a route configuration have, and what is answered there.

    More precise hosts of the listener itself go before them, as everywhere; nothing for servers of other APIs.
    """
    for opening in view.memo(merged, scope).openings:
        own = {said.host for door in opening.doors if door.routes == routes for said in door.server.hosts}
        if own:
            apart = all(_is_apart(door) for door in opening.doors if door.routes == routes)
            others = [door for door in opening.doors if door.routes != routes and _is_apart(door)] if apart else []
            return {
                said.host: Route("", Match(), Answer(_MISDIRECTED), door.about, door.server.path)
                for door in others
                for said in door.server.hosts
                if said.host not in own
            }
    return {}


def _is_apart(door: Door) -> bool:
    server = door.server
    return server.isolated and server.termination is not None and server.speaks is Speaks.HTTP
