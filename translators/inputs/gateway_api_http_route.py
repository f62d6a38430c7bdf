"""Gateway API's HTTPRoute -> RouteTable, one for each listener, or port of a Service, that it is attached to."""

import re
from collections.abc import Iterator
from functools import partial

from api.finding import Finding
from api.kinds.gateway_api import http_route as gw
from api.mesh import Lowered
from api.meta import Object, Ref
from api.routes import Order, Route, RouteTable
from api.units import milliseconds
from api.view import View
from translators.contract import Input
from translators.gateway_api.attachments import (
    Attachment,
    attached,
    counting_places,
    gateway_places,
    host_places,
    is_ours,
    parent_findings,
)
from translators.gateway_api.backends import backend_findings, services_of
from translators.gateway_api.filters import filter_findings, only
from translators.gateway_api.frontends import Frontend, frontend_findings, indexes, is_meshed, tables_at
from translators.gateway_api.matches import match_findings
from translators.gateway_api.names import called, hostname_problem
from translators.gateway_api.parents import parent_rules
from translators.gateway_api.rules import Rule, routes_of, rule_findings
from translators.gateway_api.shadows import shadowed

_MOST_MATCHES = 128
_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")


def lower(view: View, obj: Object[gw.HTTPRoute]) -> Lowered:
    """Return the rules as they hold at each listener that takes the route, and for clients of each Service."""
    found = attached(view, obj)
    said = (*parent_findings(view, obj), *frontend_findings(view, obj))
    if is_ours(view, obj) or is_meshed(view, obj):
        said += tuple(finding for rule in _rules(obj) for finding in rule_findings(view, rule))
    tables = (_table(view, obj, one) for one in found if one.holds)
    return Lowered(tables=(*tables, *tables_at(view, obj, partial(_called, view, obj))), findings=said)


def validate(obj: Object[gw.HTTPRoute]) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would."""
    for i, host in enumerate(obj.spec.hostnames):
        if problem := hostname_problem(host):
            yield Finding(obj.ref, "InvalidHostname", problem, f"spec.hostnames[{i}]")
    if sum(len(rule.matches) for rule in obj.spec.rules) > _MOST_MATCHES:
        message = (
            "While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a"
            " route must be less than 128"
        )
        yield Finding(obj.ref, "InvalidMatch", message, "spec.rules")
    yield from parent_rules(obj.ref, obj.spec.parent_refs)
    for rule in _rules(obj):
        yield from _rule_findings(rule)


def _rules(obj: Object[gw.HTTPRoute]) -> Iterator[Rule]:
    yield from (Rule(obj.ref, f"spec.rules[{i}]", rule) for i, rule in enumerate(obj.spec.rules))


def _table(view: View, obj: Object[gw.HTTPRoute], at: Attachment) -> RouteTable:
    scheme = "https" if at.listener.secure else "http"
    routes = (r for rule in _rules(obj) for r in routes_of(view, rule, scheme, at.listener.said.port))
    return RouteTable(
        ref=obj.ref,
        hosts=at.hosts,
        routes=tuple(shadowed(view, obj, at, route) for route in routes),
        gateways=(called(at.listener.owner),),
        created=obj.created,
        section=at.listener.said.name,
        order=Order.PRECISE,
    )


def _called(view: View, obj: Object[gw.HTTPRoute], at: Frontend) -> Iterator[Route]:
    """Yield the routes for those who call a port of a Service, which is what a listener's port is at a Gateway."""
    return (route for rule in _rules(obj) for route in routes_of(view, rule, "http", at.port))


def _rule_findings(rule: Rule) -> Iterator[Finding]:
    said, about = rule.said, rule.about
    for i, match in enumerate(said.matches):
        yield from match_findings(about, f"{rule.path}.matches[{i}]", match)
    yield from filter_findings(about, f"{rule.path}.filters", said.filters)
    yield from _prefix_findings(rule, f"{rule.path}.filters", said.filters)
    if said.backend_refs and only(said.filters, "RequestRedirect") is not None:
        message = "RequestRedirect filter must not be used together with backendRefs"
        yield Finding(about, "InvalidFilter", message, f"{rule.path}.backendRefs")
    for i, to in enumerate(said.backend_refs):
        path = f"{rule.path}.backendRefs[{i}]"
        yield from backend_findings(about, path, to)
        yield from filter_findings(about, f"{path}.filters", to.filters)
        yield from _prefix_findings(rule, f"{path}.filters", to.filters, "Within backendRefs, when")
    yield from _timeout_findings(about, f"{rule.path}.timeouts", said.timeouts)


def _prefix_findings(
    rule: Rule, path: str, filters: tuple[gw.HTTPRouteFilter, ...], when: str = "When"
) -> Iterator[Finding]:
    """Refuse to replace a prefix where not exactly one is matched."""
    for i, one in enumerate(filters):
        said = one.request_redirect or one.url_rewrite
        replaces = said is not None and said.path is not None and said.path.replace_prefix_match is not None
        if replaces and [match.path.type for match in rule.said.matches] != ["PathPrefix"]:
            message = (
                f"{when} using {one.type} filter with path.replacePrefixMatch, exactly one PathPrefix match must be"
                " specified"
            )
            yield Finding(rule.about, "InvalidFilter", message, f"{path}[{i}]")


def _timeout_findings(about: Ref, path: str, said: gw.HTTPRouteTimeouts) -> Iterator[Finding]:
    found = list(_duration_findings(about, path, said))
    yield from found
    if not found and said.request and said.backend_request:
        request, backend = milliseconds(said.request), milliseconds(said.backend_request)
        if request and backend > request:
            message = "backendRequest timeout cannot be longer than request timeout"
            yield Finding(about, "InvalidDuration", message, path)


def _duration_findings(about: Ref, path: str, said: gw.HTTPRouteTimeouts) -> Iterator[Finding]:
    for field, text in (("request", said.request), ("backendRequest", said.backend_request)):
        problem = ""
        if text and not _DURATION.fullmatch(text):
            problem = f"{text!r} is no duration: up to four of a number and h, m, s or ms, for example 1m30s"
        elif text:
            try:
                milliseconds(text)
            except ValueError as error:
                problem = str(error)
        if problem:
            yield Finding(about, "InvalidDuration", problem, f"{path}.{field}")


INPUT = Input(
    kinds=(gw.HTTP_ROUTE,),
    lower=lower,
    validate=validate,
    indexes={
        "gateway.routes": gateway_places,
        "gateway.host": host_places,
        "gateway.attached": counting_places,
        "route.service": services_of,
        **indexes(),
    },
)
