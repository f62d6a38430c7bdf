"""Rules -> RouteTables: at listeners, and for clients of Services; the same for HTTPRoutes and GRPCRoutes."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from mirrorplane.api import routes
from mirrorplane.api.finding import Finding
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.routes import Order, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.attachments import Attachment, attachments_of, parent_findings
from mirrorplane.translators.gateway_api.attachment.mirror_host import with_mirror_hosts
from mirrorplane.translators.gateway_api.attachment.parents import Route, has_served_parent
from mirrorplane.translators.gateway_api.attachment.service_parents import (
    has_service_parent,
    service_parent_findings,
    service_tables,
)
from mirrorplane.translators.gateway_api.conditions import findings_below
from mirrorplane.translators.gateway_api.names import binding_name
from mirrorplane.translators.gateway_api.route.extension_refs import mirror_policy
from mirrorplane.translators.gateway_api.route.mesh_rules import NO_MESH_RULES, MeshRules, mesh_routes, mesh_rules
from mirrorplane.translators.gateway_api.route.rule_findings import rule_findings
from mirrorplane.translators.gateway_api.route.rule_routes import routes_of
from mirrorplane.translators.gateway_api.route.rules import Rule
from mirrorplane.translators.gateway_api.route.unsupported_values import effect_of, servable


class _Parents(NamedTuple):
    """Which sorts of parents a route has."""

    gateways: bool
    services: bool


def lower_rules(view: View, obj: Route, rules: Sequence[Rule], unsupported: Sequence[Finding]) -> Lowered:
    """Return the tables of an object, one for each listener and each port of a Service that it is attached to.

    `unsupported` are findings about values in the rules; the rest of the rules is served without them.
    """
    served = tuple(filter(None, (servable(rule, unsupported) for rule in rules)))
    parents = _Parents(has_served_parent(view, obj), has_service_parent(view, obj))
    references = tuple(_reference_findings(view, rules, parents))
    in_mesh = mesh_rules(rules, served, (*unsupported, *references)) if parents.services else NO_MESH_RULES
    active = (attachment for attachment in attachments_of(view, obj) if attachment.is_active)
    tables = [_table(view, obj, served, attachment) for attachment in active]
    if in_mesh.attached:
        tables.extend(service_tables(view, obj, lambda parent: mesh_routes(view, in_mesh, parent)))
    values = _value_findings(rules, unsupported, parents, in_mesh)
    findings = (*parent_findings(view, obj), *service_parent_findings(view, obj), *values, *references)
    return Lowered(tables=tuple(tables), findings=findings)


def _value_findings(
    rules: Sequence[Rule], unsupported: Sequence[Finding], parents: _Parents, in_mesh: MeshRules
) -> Iterator[Finding]:
    """Yield the findings about unsupported values, each with what becomes of requests at the parents."""
    for rule in rules:
        for finding in findings_below(rule.path, unsupported) if any(parents) else ():
            effects = (
                effect_of(rule, finding) if parents.gateways else "",
                in_mesh.effect_of(rule, finding) if parents.services else "",
            )
            effect = "; at Services, ".join(dict.fromkeys(filter(None, effects)))
            yield msgspec.structs.replace(finding, message=f"{finding.message}; {effect}")


def _reference_findings(view: View, rules: Sequence[Rule], parents: _Parents) -> Iterator[Finding]:
    """Yield the findings about what rules refer to: only a Gateway needs grants (GEP-1294)."""
    at_gateways = [finding for rule in rules for finding in rule_findings(view, rule)] if parents.gateways else []
    mesh = (msgspec.structs.replace(rule, mesh=True) for rule in rules) if parents.services else ()
    in_mesh = [finding for rule in mesh for finding in rule_findings(view, rule)]
    if not all(parents):
        yield from (*at_gateways, *in_mesh)
        return
    for findings, others, place in ((at_gateways, in_mesh, "Gateways"), (in_mesh, at_gateways, "Services")):
        for finding in findings:
            if finding not in others:
                yield msgspec.structs.replace(finding, message=f"at {place}, {finding.message}")
            elif findings is at_gateways:
                yield finding


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
