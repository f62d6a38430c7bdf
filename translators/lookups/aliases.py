"""Names that stand for another service: Kubernetes Services of type ExternalName (Istio: aliases).

A destination that is an alias means the service behind it, whose clusters and policies apply. Istio:
`resolveServiceAliases` in pilot/pkg/model/push_context.go.
"""

from collections.abc import Iterable, Iterator
from functools import partial

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.mesh import Alias
from mirrorplane.api.meta import AnyObject
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.routes import Forward, L4Route, Route, RouteTable
from mirrorplane.api.view import View

EVERY = "*"
"""The key of the index `service.alias` for all aliases; they are also filed under what they stand for."""

MAX_CHAIN = 16
"""How many aliases may lead to a service. Resolvers of DNS stop following CNAME records there or earlier (BIND: 16)."""


def has_aliases(view: View) -> bool:
    """Tell whether there is any alias. While there is none, which is nearly always, this is all that is read."""
    return bool(view.by("service.alias", EVERY))


def resolve_alias(view: View, host: str) -> str:
    """Return the host that a name stands for: itself if it is no alias.

    An alias of a loop, or of a chain longer than MAX_CHAIN, stands for nothing but itself.
    """
    return view.memo(_resolved, host) if view.memo(has_aliases) else host


def find_alias(view: View, host: str) -> Alias | None:
    """Return the alias that a name is, or None."""
    aliases = aliases_in(view, view.by("service.host", host))
    return next((alias for alias in aliases if alias.host == host), None)


def resolve_destinations(view: View, table: RouteTable) -> RouteTable:
    """Return a table with the services that its destinations and mirrors stand for."""
    if not view.memo(has_aliases):
        return table
    routes = tuple(_resolve_route(view, route) for route in table.routes)
    l4_routes = tuple(_resolve_l4_route(view, route) for route in table.l4_routes)
    if (routes, l4_routes) == (table.routes, table.l4_routes):
        return table
    return msgspec.structs.replace(table, routes=routes, l4_routes=l4_routes)


def resolve_mirror(view: View, mirror: Mirror) -> Mirror:
    """Return a mirror with the service that its destination stands for."""
    return msgspec.structs.replace(mirror, destination=resolve_destination(view, mirror.destination))


def resolve_destination(view: View, destination: Destination) -> Destination:
    """Return a destination with the service that its host stands for."""
    host = resolve_alias(view, destination.host)
    return destination if host == destination.host else msgspec.structs.replace(destination, host=host)


def aliases_in(view: View, objects: Iterable[AnyObject]) -> Iterator[Alias]:
    """Yield the aliases that objects declare."""
    yield from (alias for obj in objects for alias in view.lowered(obj.ref).aliases)


def _resolved(view: View, host: str) -> str:
    name = host
    for _ in range(MAX_CHAIN + 1):
        alias = find_alias(view, name)
        if alias is None:
            return name
        name = alias.target
    return host


def _resolve_route(view: View, route: Route) -> Route:
    authorization = route.authorization
    if authorization is not None:
        server = resolve_destination(view, authorization.destination)
        authorization = msgspec.structs.replace(authorization, destination=server)
        route = msgspec.structs.replace(route, authorization=authorization)
    return route.map_forwards(partial(_resolve_forward, view))


def _resolve_forward(view: View, forward: Forward) -> Forward:
    destinations = tuple(resolve_destination(view, destination) for destination in forward.destinations)
    mirrors = tuple(resolve_mirror(view, mirror) for mirror in forward.mirrors)
    return msgspec.structs.replace(forward, destinations=destinations, mirrors=mirrors)


def _resolve_l4_route(view: View, route: L4Route) -> L4Route:
    destinations = tuple(resolve_destination(view, destination) for destination in route.destinations)
    return msgspec.structs.replace(route, destinations=destinations)
