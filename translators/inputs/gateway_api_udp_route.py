"""Gateway API's UDPRoute -> RouteTable, one for each listener that it is attached to."""

from collections.abc import Iterator

from api.finding import Finding
from api.kinds.gateway_api.udp_route import UDP_ROUTE, UDPRoute
from api.mesh import Lowered
from api.meta import Object
from api.view import View
from translators.contract import Input
from translators.gateway_api.places import OF_ROUTES
from translators.gateway_api.streams import meaning_of, stream_rules


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
