"""Who answers datagrams that a router passes on."""

from api.proxy import ROUTER, Scope
from api.resource import ENDPOINT
from api.view import View
from translators.contract import Output
from translators.outputs.endpoints import build
from translators.parts import datagrams


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names: those of the clusters."""
    return (view.memo(datagrams.clusters, scope),)


OUTPUT = Output(ENDPOINT, names, build, key=lambda scope: scope.vantage, serves=lambda scope: scope.role == ROUTER)
