"""Rules -> RouteTables: at listeners, and for those who call Services. Alike for HTTPRoutes and GRPCRoutes."""

from collections.abc import Iterator, Sequence
from itertools import chain

from api import routes
from api.mesh import Lowered
from api.routes import Order, RouteTable
from api.view import View
from translators.gateway_api.attachments import Attachment, attached, parent_findings
from translators.gateway_api.extensions import said_of_copies
from translators.gateway_api.frontends import Frontend, frontend_findings, is_meshed, tables_at
from translators.gateway_api.names import called
from translators.gateway_api.owners import Route, is_ours
from translators.gateway_api.remarks import rule_findings
from translators.gateway_api.rules import Rule, routes_of
from translators.gateway_api.shadows import shadowed


def lowered(view: View, obj: Route, rules: Sequence[Rule]) -> Lowered:
    """Return the rules of an object as they hold at each listener that takes it, and for clients of each Service."""

    def at_service(at: Frontend) -> Iterator[routes.Route]:
        return (route for rule in rules for route in routes_of(view, rule, "http", at.port))

    said = (*parent_findings(view, obj), *frontend_findings(view, obj))
    if is_ours(view, obj) or is_meshed(view, obj):
        said += tuple(chain.from_iterable(rule_findings(view, rule) for rule in rules))
    tables = (_table(view, obj, rules, at) for at in attached(view, obj) if at.holds)
    return Lowered(tables=(*tables, *tables_at(view, obj, at_service)), findings=said)


def _table(view: View, obj: Route, rules: Sequence[Rule], at: Attachment) -> RouteTable:
    return RouteTable(
        ref=obj.ref,
        hosts=at.hosts,
        routes=tuple(chain.from_iterable(_at_listener(view, obj, rule, at) for rule in rules)),
        gateways=(called(at.listener.owner),),
        created=obj.created,
        section=at.listener.said.name,
        order=Order.PRECISE,
    )


def _at_listener(view: View, obj: Route, rule: Rule, at: Attachment) -> Iterator[routes.Route]:
    scheme = "https" if at.listener.secure else "http"
    own = said_of_copies(view, rule.about, rule.said.filters)
    for route in routes_of(view, rule, scheme, at.listener.said.port):
        yield shadowed(view, obj, at, route, own)
