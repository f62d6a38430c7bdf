"""Gateway API's TCPRoute -> RouteTable, one for each listener that it is attached to."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.tcp_route import TCP_ROUTE, TCPRoute
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.route.indexes import OF_ROUTES
from mirrorplane.translators.gateway_api.route.l4_routes import meaning_of, stream_rules


def lower(view: View, obj: Object[TCPRoute]) -> Lowered:
    """Return the rule as it holds at each listener that takes the route."""
    return meaning_of(view, obj)


def validate(obj: Object[TCPRoute]) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    yield from stream_rules(obj)


INPUT = Input(
    kinds=(TCP_ROUTE,),
    lower=lower,
    validate=validate,
    indexes=OF_ROUTES,
)
