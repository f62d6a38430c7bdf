"""Clusters that a router passes datagrams on to: those that its rules in use name, and no others."""

from api.proxy import ROUTER, Scope
from api.resource import CLUSTER
from api.view import View
from translators.contract import Output
from translators.parts import datagrams
from translators.parts.clusters import build


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, sorted."""
    return (view.memo(datagrams.clusters, scope),)


OUTPUT = Output(CLUSTER, names, build, key=lambda scope: scope.caller, serves=lambda scope: scope.role == ROUTER)
