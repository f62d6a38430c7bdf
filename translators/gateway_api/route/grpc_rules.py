"""GRPCRouteRule -> Rule: GRPCRoutes, read as HTTPRoutes."""

import re
from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import grpc_route as gw
from mirrorplane.api.kinds.gateway_api.filters import HTTPRouteFilter
from mirrorplane.api.kinds.gateway_api.http_route import HTTPBackendRef, HTTPRouteRule
from mirrorplane.api.matches import Match, Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.conditions import UNSUPPORTED_VALUE
from mirrorplane.translators.gateway_api.route.matches import field_findings, fields_of
from mirrorplane.translators.gateway_api.route.rules import Rule, RuleMatch
from mirrorplane.translators.patterns import regex_problem

_SERVICE = re.compile(r"(?i:\.?[a-z_][a-z_0-9]*(?:\.[a-z_][a-z_0-9]*)*)")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_ALLOWED = {
    "service": r"^(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$",
    "method": "^[A-Za-z_][A-Za-z_0-9]*$",
}
_ANY = "[^/]+"
_REGEX = "RegularExpression"
_EVERYTHING = (gw.GRPCRouteMatch(),)


def rule_of(about: Ref, path: str, spec: gw.GRPCRouteRule) -> Rule:
    """Return a rule, with its own matches: those of HTTPRoutes cannot express calls."""
    backends = tuple(
        HTTPBackendRef(
            name=ref.name,
            group=ref.group,
            kind=ref.kind,
            namespace=ref.namespace,
            port=ref.port,
            weight=ref.weight,
            filters=tuple(_filters(ref.filters)),
        )
        for ref in spec.backend_refs
    )
    http_rule = HTTPRouteRule(
        name=spec.name,
        filters=tuple(_filters(spec.filters)),
        backend_refs=backends,
        session_persistence=spec.session_persistence,
    )
    return Rule(about, path, http_rule, tuple(map(_match, spec.matches or _EVERYTHING)), grpc=True)


def grpc_match_findings(about: Ref, path: str, spec: gw.GRPCRouteMatch) -> Iterator[Finding]:
    """Report what the API server rejects of a match, in its words, and regexes that Envoy would."""
    if spec.method is not None:
        for field, problem in _method_problems(spec.method):
            yield Finding(about, "InvalidMatch", problem, f"{path}.method{field}")
        for field, problem in _regex_problems(spec.method):
            yield Finding(about, UNSUPPORTED_VALUE, problem, f"{path}.method{field}")
    yield from field_findings(about, f"{path}.headers", spec.headers, "header")


def _method_problems(spec: gw.GRPCMethodMatch) -> Iterator[tuple[str, str]]:
    if not (spec.service or spec.method):
        yield "", "One or both of 'service' or 'method' must be specified"
    for field, text, allowed in (("service", spec.service, _SERVICE), ("method", spec.method, _METHOD)):
        if text and spec.type == "Exact" and not allowed.fullmatch(text):
            yield f".{field}", f"{field} must only contain valid characters (matching {_ALLOWED[field]})"


def _regex_problems(spec: gw.GRPCMethodMatch) -> Iterator[tuple[str, str]]:
    if spec.type != _REGEX:
        return
    for field, text in (("service", spec.service), ("method", spec.method)):
        if text and (problem := regex_problem(text)):
            yield f".{field}", problem
            return
    if problem := regex_problem(_path(spec).value):
        yield "", f"service and method together: {problem}"


def _match(spec: gw.GRPCRouteMatch) -> RuleMatch:
    method = spec.method or gw.GRPCMethodMatch()
    headers = fields_of(spec.headers, lower=True)
    rank = _precision(method.service, method.method, len(headers), regex=method.type == _REGEX)
    return RuleMatch(Match(path=_path(method), headers=headers), rank)


def _path(spec: gw.GRPCMethodMatch) -> StringMatch:
    """Return the comparison with the path of a call, which is `/package.Service/Method`."""
    # The CRD allows the leading dot of an absolute protobuf name, which the path of a call never has.
    service, method = spec.service.removeprefix(".") if spec.type == "Exact" else spec.service, spec.method
    if not (service or method):
        return StringMatch(Op.PREFIX, "/")
    if spec.type == _REGEX:
        return StringMatch(Op.REGEX, f"/(?:{service or _ANY})/(?:{method or _ANY})")
    # Unlike regexes, these need no escaping: validation allows identifiers and dots only.
    if service and method:
        return StringMatch(Op.EXACT, f"/{service}/{method}")
    if service:
        return StringMatch(Op.PREFIX, f"/{service}/")
    return StringMatch(Op.REGEX, f"/{_ANY}/{re.escape(method)}")


def _filters(filters: Iterable[gw.GRPCRouteFilter]) -> Iterator[HTTPRouteFilter]:
    for spec in filters:
        yield HTTPRouteFilter(
            type=spec.type,
            request_header_modifier=spec.request_header_modifier,
            response_header_modifier=spec.response_header_modifier,
            request_mirror=spec.request_mirror,
            extension_ref=spec.extension_ref,
        )


def _precision(service: str, method: str, headers: int, *, regex: bool) -> tuple[int, int, int, int, int]:
    """Return the rank of a match of a GRPCRoute.

    Gateway API: the most characters of the service, then of the method, then the most headers. Regexes are last.
    """
    return regex, -len(service), -len(method), -headers, 0
