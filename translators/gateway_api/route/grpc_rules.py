"""GRPCRouteRule -> Rule: what GRPCRoutes say, in the words of HTTPRoutes."""

import re
from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import grpc_route as gw
from mirrorplane.api.kinds.gateway_api.filters import HTTPRouteFilter
from mirrorplane.api.kinds.gateway_api.http_route import HTTPBackendRef, HTTPRouteRule
from mirrorplane.api.matches import Match, Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.route.matches import fields_of
from mirrorplane.translators.gateway_api.route.rules import Asked, Rule
from mirrorplane.translators.lookups.precedence import precision_of_call
from mirrorplane.translators.patterns import is_header_name, regex_problem

_SERVICE = re.compile(r"(?i:\.?[a-z_][a-z_0-9]*(?:\.[a-z_][a-z_0-9]*)*)")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_SHOWN = {
    "service": r"^(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$",
    "method": "^[A-Za-z_][A-Za-z_0-9]*$",
}
_ANY = "[^/]+"
_REGEX = "RegularExpression"
_EVERYTHING = (gw.GRPCRouteMatch(),)


def rule_of(about: Ref, path: str, said: gw.GRPCRouteRule) -> Rule:
    """Return a rule."""
    backends = tuple(
        HTTPBackendRef(
            name=to.name,
            group=to.group,
            kind=to.kind,
            namespace=to.namespace,
            port=to.port,
            weight=to.weight,
            filters=tuple(_filters(to.filters)),
        )
        for to in said.backend_refs
    )
    spoken = HTTPRouteRule(
        name=said.name,
        filters=tuple(_filters(said.filters)),
        backend_refs=backends,
        session_persistence=said.session_persistence,
    )
    return Rule(about, path, spoken, tuple(_asked(one) for one in said.matches or _EVERYTHING), grpc=True)


def call_findings(about: Ref, path: str, said: gw.GRPCRouteMatch) -> Iterator[Finding]:
    """Refuse what the API server refuses of a match, and regexes that Envoy would."""
    if said.method is not None:
        for field, problem in _method_problems(said.method):
            yield Finding(about, "InvalidMatch", problem, f"{path}.method{field}")
    for i, one in enumerate(said.headers):
        where = f"{path}.headers[{i}]"
        if not is_header_name(one.name):
            yield Finding(about, "InvalidMatch", f"{one.name!r} is not the name of a header", where)
        if one.name in {other.name for other in said.headers[:i]}:
            yield Finding(about, "InvalidMatch", f"{one.name} is there twice", where)
        if one.type == _REGEX and (problem := regex_problem(one.value)):
            yield Finding(about, "InvalidMatch", problem, f"{where}.value")


def _method_problems(said: gw.GRPCMethodMatch) -> Iterator[tuple[str, str]]:
    if not (said.service or said.method):
        yield "", "One or both of 'service' or 'method' must be specified"
    for field, text, allowed in (("service", said.service, _SERVICE), ("method", said.method, _METHOD)):
        if text and said.type == "Exact" and not allowed.fullmatch(text):
            yield f".{field}", f"{field} must only contain valid characters (matching {_SHOWN[field]})"
        if text and said.type == _REGEX and (problem := regex_problem(text)):
            yield f".{field}", problem
            return
    if said.type == _REGEX and (problem := regex_problem(_path(said).value)):
        yield "", f"together, {problem}"


def _asked(said: gw.GRPCRouteMatch) -> Asked:
    method = said.method or gw.GRPCMethodMatch()
    headers = fields_of(said.headers, lower=True)
    rank = precision_of_call(method.service, method.method, len(headers), regex=method.type == _REGEX)
    return Asked(Match(path=_path(method), headers=headers), rank)


def _path(said: gw.GRPCMethodMatch) -> StringMatch:
    """Return what the path of a call is compared with: `/package.Service/Method`."""
    service, method = said.service.removeprefix(".") if said.type == "Exact" else said.service, said.method
    if not (service or method):
        return StringMatch(Op.PREFIX, "/")
    if said.type == _REGEX:
        return StringMatch(Op.REGEX, f"/(?:{service or _ANY})/(?:{method or _ANY})")
    if service and method:
        return StringMatch(Op.EXACT, f"/{service}/{method}")
    if service:
        return StringMatch(Op.PREFIX, f"/{service}/")
    return StringMatch(Op.REGEX, f"/{_ANY}/{re.escape(method)}")


def _filters(said: Iterable[gw.GRPCRouteFilter]) -> Iterator[HTTPRouteFilter]:
    for one in said:
        yield HTTPRouteFilter(
            type=one.type,
            request_header_modifier=one.request_header_modifier,
            response_header_modifier=one.response_header_modifier,
            request_mirror=one.request_mirror,
            extension_ref=one.extension_ref,
        )
