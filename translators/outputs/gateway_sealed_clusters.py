"""Clusters for TLS that a router passes on as it is, to services that it calls by TLS otherwise."""

from api.proxy import ROUTER, Scope
from api.resource import CLUSTER
from api.view import View
from translators.contract import Output
from translators.parts import sealed
from translators.parts.clusters import build


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, sorted."""
    return (view.memo(sealed.clusters, scope),)


OUTPUT = Output(CLUSTER, names, build, key=lambda scope: scope.caller, serves=lambda scope: scope.role == ROUTER)
