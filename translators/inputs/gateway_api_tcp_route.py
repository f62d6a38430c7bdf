"""Gateway API's TCPRoute -> RouteTable, one for each listener that it is attached to."""

from collections.abc import Iterator

from api.finding import Finding
from api.kinds.gateway_api.tcp_route import TCP_ROUTE, TCPRoute
from api.mesh import Lowered
from api.meta import Object
from api.view import View
from translators.contract import Input
from translators.gateway_api.places import OF_ROUTES
from translators.gateway_api.streams import meaning_of, stream_rules


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
