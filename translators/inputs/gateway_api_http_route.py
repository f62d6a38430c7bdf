"""Gateway API's HTTPRoute -> RouteTable, one for each listener, or port of a Service, that it is attached to."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.attachment.parents import parent_ref_findings
from mirrorplane.translators.gateway_api.route.indexes import HTTP_ROUTE_INDEXES
from mirrorplane.translators.gateway_api.route.matches import match_findings, match_of, precision
from mirrorplane.translators.gateway_api.route.regexes import rule_match_findings
from mirrorplane.translators.gateway_api.route.route_tables import lower_rules
from mirrorplane.translators.gateway_api.route.rule_validation import host_findings, rules_findings
from mirrorplane.translators.gateway_api.route.rules import Rule, RuleMatch
from mirrorplane.translators.gateway_api.route.unsupported_values import refusals, unsupported

_ANYTHING = (gw.HTTPRouteMatch(),)


def lower(view: View, obj: Object[gw.HTTPRoute]) -> Lowered:
    """Return the rules as they apply at each listener and each Service that the route is attached to."""
    return lower_rules(view, obj, tuple(_rules(obj)), unsupported(_validation(obj)))


def validate(obj: Object[gw.HTTPRoute]) -> tuple[Finding, ...]:
    """Report what the API server rejects. What only Envoy would is left out of the rules instead (see `lower`)."""
    return refusals(_validation(obj))


def _validation(obj: Object[gw.HTTPRoute]) -> Iterator[Finding]:
    yield from host_findings(obj.ref, obj.spec.hostnames)
    yield from parent_ref_findings(obj.ref, obj.spec.parent_refs)
    rules = tuple(_rules(obj))
    yield from rule_match_findings(rules, [rule.matches for rule in obj.spec.rules], match_findings)
    yield from rules_findings(obj.ref, rules)


def _rules(obj: Object[gw.HTTPRoute]) -> Iterator[Rule]:
    for i, rule in enumerate(obj.spec.rules):
        yield Rule(obj.ref, f"spec.rules[{i}]", rule, tuple(map(_match, rule.matches or _ANYTHING)))


def _match(spec: gw.HTTPRouteMatch) -> RuleMatch:
    match = match_of(spec)
    return RuleMatch(match, precision(match), spec)


INPUT = Input(
    kinds=(gw.HTTP_ROUTE,),
    lower=lower,
    validate=validate,
    indexes=HTTP_ROUTE_INDEXES,
)
