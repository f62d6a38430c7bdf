"""Which L4 rules apply at a router's servers: for TLS by server name (SNI), and for everything else."""

import msgspec

from mirrorplane.api.gateways import narrower
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import L4Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.route_tables import may_match
from mirrorplane.translators.routers.hosts import server_tables
from mirrorplane.translators.routers.servers import GatewayServer


class ServerNameRule(msgspec.Struct, frozen=True):
    """A rule, and the server names that it and the server have in common; none for every connection."""

    names: tuple[str, ...]
    rule: L4Route

    @property
    def ranges(self) -> tuple[str, ...]:
        """The destination addresses that connections must have; only rules for TLS have any (Istio)."""
        return self.rule.match.subnets if self.rule.tls else ()


def l4_rules(view: View, scope: Scope, gateway_server: GatewayServer) -> tuple[ServerNameRule, ...]:
    """Return the L4 rules that apply at a server, in order; the one without server names is last.

    Istio: TLS passthrough is routed by server names alone, and where TLS is terminated, no rule looks at them.
    """
    server = gateway_server.server
    terminates = server.termination is not None
    looks_at_names = server.tls and (server.isolated or not terminates)
    by_name = _by_server_name(view, scope, gateway_server) if looks_at_names else ()
    default = unnamed_rule(view, scope, gateway_server) if terminates or not server.tls else None
    if default is None:
        return by_name
    return (*by_name, ServerNameRule(server.server_names if server.tls else (), default))


def unnamed_rule(view: View, scope: Scope, gateway_server: GatewayServer) -> L4Route | None:
    """Return the rule for all other connections: the first that applies (Istio: a server has one)."""
    rules = (rule for table in view.memo(server_tables, scope, gateway_server) for rule in table.l4_routes)
    return next((rule for rule in rules if not rule.tls and _applies(rule, scope, gateway_server)), None)


def _by_server_name(view: View, scope: Scope, gateway_server: GatewayServer) -> tuple[ServerNameRule, ...]:
    rules = (
        ServerNameRule(_names(gateway_server, table, rule), rule)
        for table in view.memo(server_tables, scope, gateway_server)
        for rule in table.l4_routes
        if rule.tls and _applies(rule, scope, gateway_server)
    )
    return tuple(rule for rule in rules if rule.names)


def _applies(rule: L4Route, scope: Scope, gateway_server: GatewayServer) -> bool:
    return may_match(rule.match, scope, gateway_server.server.number, gateway_server.gateway)


def _names(gateway_server: GatewayServer, table: RouteTable, rule: L4Route) -> tuple[str, ...]:
    hosts = [served.host for served in gateway_server.server.hosts if served.admits(table.ref.namespace)]
    names = (narrower(host, name) for name in rule.match.server_names for host in hosts)
    return tuple(dict.fromkeys(filter(None, names)))
