"""Which rules for bytes hold at a router's servers: TLS that is passed on by its names, and everything else."""

import msgspec

from api.gateways import narrower
from api.proxy import Scope
from api.routes import RouteTable, StreamRoute
from api.view import View
from translators.gateway_hosts import tables
from translators.gateways import Door
from translators.tables import holds


class NamedRule(msgspec.Struct, frozen=True):
    """A rule for TLS, and the names that clients ask for, as far as the server takes them."""

    names: tuple[str, ...]
    rule: StreamRoute


def passed_on(view: View, scope: Scope, door: Door) -> tuple[NamedRule, ...]:
    """Return the rules for TLS that is not taken off, in order."""
    found = (
        NamedRule(_names(door, table, rule), rule)
        for table in view.memo(tables, scope, door)
        for rule in table.streams
        if rule.tls and holds(rule.match, scope, door.server.number, door.gateway)
    )
    return tuple(said for said in found if said.names)


def sent_on(view: View, scope: Scope, door: Door) -> StreamRoute | None:
    """Return the rule for all other bytes: the first that holds (Istio: a server has one)."""
    said = (rule for table in view.memo(tables, scope, door) for rule in table.streams)
    return next((r for r in said if not r.tls and holds(r.match, scope, door.server.number, door.gateway)), None)


def _names(door: Door, table: RouteTable, rule: StreamRoute) -> tuple[str, ...]:
    served = [said.host for said in door.server.hosts if said.admits(table.ref.namespace)]
    met = (narrower(host, name) for name in rule.match.server_names for host in served)
    return tuple(dict.fromkeys(filter(None, met)))
