"""Gateway API's GRPCRoute -> RouteTable, one for each listener, or port of a Service, that it is attached to."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import grpc_route as gw
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.attachment.parents import parent_ref_findings
from mirrorplane.translators.gateway_api.route.grpc_rules import grpc_match_findings, rule_of
from mirrorplane.translators.gateway_api.route.indexes import HTTP_ROUTE_INDEXES, grpc_keys
from mirrorplane.translators.gateway_api.route.regexes import rule_match_findings
from mirrorplane.translators.gateway_api.route.route_tables import lower_rules
from mirrorplane.translators.gateway_api.route.rule_validation import host_findings, rules_findings
from mirrorplane.translators.gateway_api.route.rules import Rule
from mirrorplane.translators.gateway_api.route.unsupported_values import refusals, unsupported


def lower(view: View, obj: Object[gw.GRPCRoute]) -> Lowered:
    """Return the rules as they apply at each listener and each Service that the route is attached to."""
    return lower_rules(view, obj, tuple(_rules(obj)), unsupported(_validation(obj)))


def validate(obj: Object[gw.GRPCRoute]) -> tuple[Finding, ...]:
    """Report what the API server rejects. What only Envoy would is left out of the rules instead (see `lower`)."""
    return refusals(_validation(obj))


def _validation(obj: Object[gw.GRPCRoute]) -> Iterator[Finding]:
    yield from host_findings(obj.ref, obj.spec.hostnames)
    yield from parent_ref_findings(obj.ref, obj.spec.parent_refs)
    rules = tuple(_rules(obj))
    yield from rule_match_findings(rules, [rule.matches for rule in obj.spec.rules], grpc_match_findings)
    yield from rules_findings(obj.ref, rules)


def _rules(obj: Object[gw.GRPCRoute]) -> Iterator[Rule]:
    yield from (rule_of(obj.ref, f"spec.rules[{i}]", rule) for i, rule in enumerate(obj.spec.rules))


INPUT = Input(
    kinds=(gw.GRPC_ROUTE,),
    lower=lower,
    validate=validate,
    indexes={**HTTP_ROUTE_INDEXES, "gateway.calls": grpc_keys},
)
