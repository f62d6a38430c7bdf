"""Gateway API's UDPRoute -> RouteTable, one for each listener that it is attached to."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.udp_route import UDP_ROUTE, UDPRoute
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.route.indexes import OF_ROUTES
from mirrorplane.translators.gateway_api.route.l4_routes import meaning_of, stream_rules


def lower(view: View, obj: Object[UDPRoute]) -> Lowered:
    """Return the rule as it holds at each listener that takes the route."""
    return meaning_of(view, obj)


def validate(obj: Object[UDPRoute]) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    yield from stream_rules(obj)


INPUT = Input(
    kinds=(UDP_ROUTE,),
    lower=lower,
    validate=validate,
    indexes=OF_ROUTES,
)
