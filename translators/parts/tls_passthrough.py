"""TLS passthrough at routers. A policy that asks for TLS to the service does not apply: it is TLS already."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import L4Route
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import backend_tls
from mirrorplane.translators.names import ClusterName, Purpose
from mirrorplane.translators.parts.l4_filter_chains import live_cluster, weighted_destinations
from mirrorplane.translators.routers.l4_routes import l4_rules
from mirrorplane.translators.routers.servers import GatewayServer, merge_servers


def is_passthrough(gateway_server: GatewayServer) -> bool:
    """Tell whether a server forwards TLS without terminating it."""
    return gateway_server.server.tls and gateway_server.server.termination is None


def cluster(view: View, scope: Scope, live: ClusterName) -> ClusterName:
    """Return the cluster for passthrough to where live requests would go: theirs, unless a BackendTLSPolicy is on it.

    See decision 0091.
    """
    # Only routers apply BackendTLSPolicies.
    has_policy = scope.client.router and backend_tls.client_tls(view, scope.client, live) is not None
    return msgspec.structs.replace(live, purpose=Purpose.PASSTHROUGH) if has_policy else live


def clusters(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the names of the clusters that exist for passthrough alone, sorted."""
    names = (
        name
        for gateway_server, rule in _rules(view, scope)
        for name in _clusters(view, scope, rule, gateway_server.server.number)
    )
    return tuple(sorted({str(name) for name in names if name.purpose is Purpose.PASSTHROUGH}))


def _rules(view: View, scope: Scope) -> Iterator[tuple[GatewayServer, L4Route]]:
    for binding in view.memo(merge_servers, scope).bindings:
        for gateway_server in filter(is_passthrough, binding.gateway_servers):
            yield from (
                (gateway_server, server_rule.rule) for server_rule in view.memo(l4_rules, scope, gateway_server)
            )


def _clusters(view: View, scope: Scope, rule: L4Route, port: int) -> Iterator[ClusterName]:
    for destination in weighted_destinations(rule):
        if not destination.fails:
            yield cluster(view, scope, live_cluster(view, scope, destination, port))
