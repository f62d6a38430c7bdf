"""Gateway API's TCPRoute -> RouteTable, one for each listener that it is attached to."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.tcp_route import TCP_ROUTE, TCPRoute
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.route.indexes import ROUTE_INDEXES
from mirrorplane.translators.gateway_api.route.l4_routes import l4_route_findings, lower_l4_route


def lower(view: View, obj: Object[TCPRoute]) -> Lowered:
    """Return the rule as it applies at each listener that the route is attached to."""
    return lower_l4_route(view, obj)


def validate(obj: Object[TCPRoute]) -> Iterator[Finding]:
    """Report what the API server rejects."""
    yield from l4_route_findings(obj)


INPUT = Input(
    kinds=(TCP_ROUTE,),
    lower=lower,
    validate=validate,
    indexes=ROUTE_INDEXES,
)
