"""Rules -> RouteTables: at listeners, and for clients of Services; the same for HTTPRoutes and GRPCRoutes."""

from collections.abc import Iterator, Sequence
from itertools import chain

from mirrorplane.api import routes
from mirrorplane.api.finding import Finding
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.routes import Order, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.attachments import Attachment, attachments_of, parent_findings
from mirrorplane.translators.gateway_api.attachment.mirror_host import with_mirror_hosts
from mirrorplane.translators.gateway_api.attachment.parents import Route, has_served_parent
from mirrorplane.translators.gateway_api.attachment.service_parents import (
    ServiceParent,
    has_service_parent,
    service_parent_findings,
    service_tables,
)
from mirrorplane.translators.gateway_api.names import binding_name
from mirrorplane.translators.gateway_api.route.extension_refs import mirror_policy
from mirrorplane.translators.gateway_api.route.rule_findings import rule_findings
from mirrorplane.translators.gateway_api.route.rule_routes import routes_of
from mirrorplane.translators.gateway_api.route.rules import Rule
from mirrorplane.translators.gateway_api.route.unsupported_values import servable, with_effects


def lower_rules(view: View, obj: Route, rules: Sequence[Rule], unsupported: Sequence[Finding]) -> Lowered:
    """Return the tables of an object, one for each listener and each port of a Service that it is attached to.

    `unsupported` are findings about values in the rules; the rest of the rules is served without them.
    """
    servable_rules = tuple(filter(None, (servable(rule, unsupported) for rule in rules)))

    def service_routes(parent: ServiceParent) -> Iterator[routes.Route]:
        return (route for rule in servable_rules for route in routes_of(view, rule, "http", parent.port))

    findings = (*parent_findings(view, obj), *service_parent_findings(view, obj))
    if has_served_parent(view, obj) or has_service_parent(view, obj):
        findings += tuple(chain.from_iterable(with_effects(rule, unsupported) for rule in rules))
        findings += tuple(chain.from_iterable(rule_findings(view, rule) for rule in rules))
    active = (attachment for attachment in attachments_of(view, obj) if attachment.is_active)
    tables = (_table(view, obj, servable_rules, attachment) for attachment in active)
    return Lowered(tables=(*tables, *service_tables(view, obj, service_routes)), findings=findings)


def _table(view: View, obj: Route, rules: Sequence[Rule], attachment: Attachment) -> RouteTable:
    return RouteTable(
        ref=obj.ref,
        hosts=attachment.hosts,
        routes=tuple(chain.from_iterable(_routes(view, obj, rule, attachment) for rule in rules)),
        gateways=(binding_name(attachment.listener.parent),),
        created=obj.created,
        section_name=attachment.listener.spec.name,
        order=Order.PRECISE,
    )


def _routes(view: View, obj: Route, rule: Rule, attachment: Attachment) -> Iterator[routes.Route]:
    scheme = "https" if attachment.listener.uses_tls else "http"
    policy = mirror_policy(view, rule.about, rule.spec.filters)
    for route in routes_of(view, rule, scheme, attachment.listener.spec.port):
        yield with_mirror_hosts(view, obj, attachment, route, policy)
