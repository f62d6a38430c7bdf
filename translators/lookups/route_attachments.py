"""The route tables of an object with the effects that other objects attach to its routes, for every API alike.

Whatever reads routes to serve or import them reads them here; checks read the object's own. Their destinations are
services: aliases are resolved. While no object attaches anything and none is an alias, which is nearly always, this
costs two reads that all tables share, and remembers nothing.
"""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.attachments import EVERY, AddMirrors
from mirrorplane.api.meta import Ref
from mirrorplane.api.routes import Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.aliases import has_aliases, resolve_destinations

INDEX = "route.attachments"


def attached_tables(view: View, ref: Ref) -> tuple[RouteTable, ...]:
    """Return the route tables of an object, with all effects on their routes."""
    if view.memo(_has_attachments) or view.memo(has_aliases):
        return view.memo(_served_tables, ref)
    return view.lowered(ref).tables


def effects_on(view: View, target: Ref, section: str) -> tuple[AddMirrors, ...]:
    """Return the effects on the routes of an object that have a name, by the Ref of the objects that attach them."""
    attachments = (each for obj in view.by(INDEX, str(target)) for each in view.lowered(obj.ref).attachments)
    return tuple(each.effect for each in attachments if each.target == target and each.section in {"", section})


def _has_attachments(view: View) -> bool:
    return bool(view.by(INDEX, EVERY))


def _served_tables(view: View, ref: Ref) -> tuple[RouteTable, ...]:
    return tuple(resolve_destinations(view, table) for table in _with_effects(view, ref))


def _with_effects(view: View, ref: Ref) -> tuple[RouteTable, ...]:
    tables = view.lowered(ref).tables
    targets = {ref, *(route.ref for table in tables for route in table.routes)}
    if not any(view.by(INDEX, str(target)) for target in targets):
        return tables
    return tuple(
        msgspec.structs.replace(table, routes=tuple(_affected(view, ref, route) for route in table.routes))
        for table in tables
    )


def _affected(view: View, ref: Ref, route: Route) -> Route:
    # A delegate's rules are part of its root's table, and are still targeted by the delegate's own Ref.
    effects = effects_on(view, route.ref, route.name)
    if route.ref != ref:
        effects += effects_on(view, ref, route.name)
    return _apply(route, effects) if effects else route


def _apply(route: Route, effects: Iterable[AddMirrors]) -> Route:
    mirrors = tuple(mirror for effect in effects for mirror in effect.mirrors)
    return route.map_forwards(lambda forward: msgspec.structs.replace(forward, mirrors=(*forward.mirrors, *mirrors)))
