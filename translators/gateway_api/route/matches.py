"""HTTPRouteMatch -> Match."""

import re
from collections.abc import Iterable, Iterator, Sequence

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.matches import FieldMatch, Match, Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.conditions import UNSUPPORTED_VALUE
from mirrorplane.translators.patterns import is_header_name, regex_problem

_OPS = {"Exact": Op.EXACT, "PathPrefix": Op.BELOW, "RegularExpression": Op.REGEX}
_KINDS = {Op.EXACT: 0, Op.BELOW: 1, Op.PREFIX: 1, Op.REGEX: 2}
_METHOD = ":method"
_REGEX = "RegularExpression"
_WHEN = "when type one of ['Exact', 'PathPrefix']"
_NEVER_IN, _NEVER_AT_END = ("//", "/./", "/../", "%2f", "%2F", "#"), ("/..", "/.")
_PATH = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")
_ALLOWED_PATH = "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$"
"""The same, as the API server's messages quote it."""


def match_of(spec: gw.HTTPRouteMatch) -> Match:
    """Return a match as a noun. The method is a header to Envoy."""
    method = (FieldMatch(_METHOD, StringMatch(Op.EXACT, spec.method)),) if spec.method else ()
    headers = (*fields_of(spec.headers, lower=True), *method)
    return Match(path=_path(spec.path), headers=headers, query=fields_of(spec.query_params))


def fields_of(matches: Iterable[gw.HTTPFieldMatch], *, lower: bool = False) -> tuple[FieldMatch, ...]:
    """Return comparisons with query parameters, or with headers, whose names have no case (`lower`).

    Gateway API: of several comparisons with one name the first wins.
    """
    by_name: dict[str, FieldMatch] = {}
    for field in matches:
        name = field.name.lower() if lower else field.name
        by_name.setdefault(name, FieldMatch(name, StringMatch(_OPS[field.type], field.value)))
    return tuple(by_name.values())


def precision(match: Match) -> tuple[int, int, int, int, int]:
    """Return the rank of a match of an HTTPRoute.

    Gateway API: exact paths, then the longest prefix; a method, more headers, more query parameters. Regexes are last.
    """
    headers = sum(not field.name.startswith(":") for field in match.headers)
    method = any(field.name == _METHOD for field in match.headers)
    return _KINDS[match.path.op], -len(match.path.value), not method, -headers, -len(match.query)


def is_path(text: str) -> bool:
    """Tell whether a text has only characters that are valid in paths."""
    return _PATH.fullmatch(text) is not None


def match_findings(about: Ref, path: str, spec: gw.HTTPRouteMatch) -> Iterator[Finding]:
    """Report what the API server rejects, in its words, and regexes that Envoy would."""
    if problem := _path_problem(spec.path):
        reason = UNSUPPORTED_VALUE if spec.path.type == _REGEX else "InvalidMatch"
        yield Finding(about, reason, problem, f"{path}.path")
    for field, fields in (("headers", spec.headers), ("queryParams", spec.query_params)):
        yield from field_findings(about, f"{path}.{field}", fields, "header" if field == "headers" else "parameter")


def field_findings(about: Ref, path: str, fields: Sequence[gw.HTTPFieldMatch], what: str) -> Iterator[Finding]:
    """Report invalid comparisons with headers or query parameters, which `what` names."""
    for i, match in enumerate(fields):
        field_path = f"{path}[{i}]"
        if not is_header_name(match.name):
            yield Finding(about, "InvalidMatch", f"invalid {what} name {match.name!r}", field_path)
        if match.name in {earlier.name for earlier in fields[:i]}:
            yield Finding(about, "InvalidMatch", f"duplicate {what} {match.name}", field_path)
        if match.type == _REGEX and (problem := regex_problem(match.value)):
            yield Finding(about, UNSUPPORTED_VALUE, problem, f"{field_path}.value")


def _path(spec: gw.HTTPPathMatch) -> StringMatch:
    if spec.type == "PathPrefix" and spec.value == "/":
        # Envoy refuses path_separated_prefix "/": the plain prefix means the same there.
        return StringMatch(Op.PREFIX, "/")
    return StringMatch(_OPS[spec.type], spec.value)


def _path_problem(spec: gw.HTTPPathMatch) -> str:
    if spec.type == _REGEX:
        return regex_problem(spec.value)
    if not spec.value.startswith("/"):
        return f"value must be an absolute path and start with '/' {_WHEN}"
    for text in _NEVER_IN:
        if text in spec.value:
            return f"must not contain '{text}' {_WHEN}"
    for text in _NEVER_AT_END:
        if spec.value.endswith(text):
            return f"must not end with '{text}' {_WHEN}"
    if not is_path(spec.value):
        return f"must only contain valid characters (matching {_ALLOWED_PATH}) for types ['Exact', 'PathPrefix']"
    return ""
