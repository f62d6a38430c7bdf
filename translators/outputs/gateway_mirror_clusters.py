"""Clusters that only a router's routes in use need: guarded ones for mirrors, and `http2|...`. See decision 0001."""

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import CLUSTER
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Output
from mirrorplane.translators.outputs.gateway_routes import names as configurations
from mirrorplane.translators.parts.clusters import build_dedicated, dedicated_key
from mirrorplane.translators.parts.gateway_virtual_hosts import dedicated_clusters


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, sorted."""
    (routes_in_use,) = view.memo(configurations, scope)
    return (tuple(sorted({name for routes in routes_in_use for name in view.memo(dedicated_clusters, scope, routes)})),)


OUTPUT = Output(CLUSTER, names, build_dedicated, cache_key=dedicated_key, serves=lambda scope: scope.role == ROUTER)
