"""Which rules for bytes hold at a router's servers: TLS by the names that it asks for, and everything else."""

import msgspec

from mirrorplane.api.gateways import narrower
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import L4Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.route_tables import may_match
from mirrorplane.translators.routers.hosts import server_tables
from mirrorplane.translators.routers.servers import GatewayServer


class ServerNameRule(msgspec.Struct, frozen=True):
    """A rule, and the names that clients ask for in TLS, as far as the server takes them; none where all are meant."""

    names: tuple[str, ...]
    rule: L4Route

    @property
    def ranges(self) -> tuple[str, ...]:
        """Where connections must be meant to go; only rules for TLS are asked (Istio)."""
        return self.rule.match.subnets if self.rule.tls else ()


def l4_rules(view: View, scope: Scope, gateway_server: GatewayServer) -> tuple[ServerNameRule, ...]:
    """Return the rules for bytes that hold at a server, in order; what asks for no names comes last.

    Istio: what is passed on as TLS goes by its names alone, and where TLS is taken off, no rule looks at names.
    """
    server = gateway_server.server
    ends = server.termination is not None
    named = _by_name(view, scope, gateway_server) if server.tls and (server.isolated or not ends) else ()
    rest = unnamed_rule(view, scope, gateway_server) if ends or not server.tls else None
    return named if rest is None else (*named, ServerNameRule(server.server_names if server.tls else (), rest))


def unnamed_rule(view: View, scope: Scope, gateway_server: GatewayServer) -> L4Route | None:
    """Return the rule for all other bytes: the first that holds (Istio: a server has one; Gateway API: the oldest)."""
    said = (rule for table in view.memo(server_tables, scope, gateway_server) for rule in table.l4_routes)
    return next(
        (
            r
            for r in said
            if not r.tls and may_match(r.match, scope, gateway_server.server.number, gateway_server.gateway)
        ),
        None,
    )


def _by_name(view: View, scope: Scope, gateway_server: GatewayServer) -> tuple[ServerNameRule, ...]:
    found = (
        ServerNameRule(_names(gateway_server, table, rule), rule)
        for table in view.memo(server_tables, scope, gateway_server)
        for rule in table.l4_routes
        if rule.tls and may_match(rule.match, scope, gateway_server.server.number, gateway_server.gateway)
    )
    return tuple(said for said in found if said.names)


def _names(gateway_server: GatewayServer, table: RouteTable, rule: L4Route) -> tuple[str, ...]:
    served = [said.host for said in gateway_server.server.hosts if said.admits(table.ref.namespace)]
    met = (narrower(host, name) for name in rule.match.server_names for host in served)
    return tuple(dict.fromkeys(filter(None, met)))
