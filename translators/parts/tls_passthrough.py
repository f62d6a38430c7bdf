"""TLS that a router passes on as it is: it is not wrapped again, though a policy says TLS for the service."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import L4Route
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import backend_tls
from mirrorplane.translators.names import ClusterName, Purpose
from mirrorplane.translators.parts.l4_filter_chains import cluster_of, sharing
from mirrorplane.translators.routers.l4_routes import rules_at
from mirrorplane.translators.routers.servers import GatewayServer, merged


def passes_on(gateway_server: GatewayServer) -> bool:
    """Tell whether a server leaves TLS as it is."""
    return gateway_server.server.tls and gateway_server.server.termination is None


def cluster(view: View, scope: Scope, to: ClusterName) -> ClusterName:
    """Return the cluster for TLS that is passed on to where live requests would go."""
    secured = scope.client.router and backend_tls.of_call(view, scope.client, to) is not None
    return msgspec.structs.replace(to, purpose=Purpose.PASSTHROUGH) if secured else to


def clusters(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the names of those that are there for this alone, sorted."""
    found = (
        to
        for gateway_server, rule in _rules(view, scope)
        for to in _clusters(view, scope, rule, gateway_server.server.number)
    )
    return tuple(sorted({str(to) for to in found if to.purpose is Purpose.PASSTHROUGH}))


def _rules(view: View, scope: Scope) -> Iterator[tuple[GatewayServer, L4Route]]:
    for binding in view.memo(merged, scope).bindings:
        for gateway_server in filter(passes_on, binding.gateway_servers):
            yield from ((gateway_server, said.rule) for said in view.memo(rules_at, scope, gateway_server))


def _clusters(view: View, scope: Scope, rule: L4Route, number: int) -> Iterator[ClusterName]:
    yield from (cluster(view, scope, cluster_of(view, scope, to, number)) for to in sharing(rule) if not to.fails)
