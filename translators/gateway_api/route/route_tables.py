"""Rules -> RouteTables: at listeners, and for those who call Services. Alike for HTTPRoutes and GRPCRoutes."""

from collections.abc import Iterator, Sequence
from itertools import chain

from mirrorplane.api import routes
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.routes import Order, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.attachments import Attachment, attached, parent_findings
from mirrorplane.translators.gateway_api.attachment.mirror_host import shadowed
from mirrorplane.translators.gateway_api.attachment.parents import Route, is_ours
from mirrorplane.translators.gateway_api.attachment.service_parents import (
    Frontend,
    frontend_findings,
    is_meshed,
    tables_at,
)
from mirrorplane.translators.gateway_api.names import called
from mirrorplane.translators.gateway_api.route.extension_refs import said_of_copies
from mirrorplane.translators.gateway_api.route.rule_findings import rule_findings
from mirrorplane.translators.gateway_api.route.rules import Rule, routes_of


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
