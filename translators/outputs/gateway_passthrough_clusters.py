"""Clusters for TLS passthrough at routers, to services to which a BackendTLSPolicy asks for TLS otherwise."""

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import CLUSTER
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Output
from mirrorplane.translators.parts import tls_passthrough
from mirrorplane.translators.parts.clusters import build


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, sorted."""
    return (view.memo(tls_passthrough.clusters, scope),)


OUTPUT = Output(CLUSTER, names, build, cache_key=lambda scope: scope.client, serves=lambda scope: scope.role == ROUTER)
