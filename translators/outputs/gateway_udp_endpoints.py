"""Endpoints of the clusters that a router forwards datagrams to."""

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import ENDPOINT
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Output
from mirrorplane.translators.outputs.endpoints import build
from mirrorplane.translators.parts import udp


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names: those of the clusters."""
    return (view.memo(udp.clusters, scope),)


OUTPUT = Output(
    ENDPOINT, names, build, cache_key=lambda scope: scope.endpoint_view, serves=lambda scope: scope.role == ROUTER
)
