"""HTTPRouteMatch -> Match."""

import re
from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.matches import FieldMatch, Match, Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.patterns import is_header_name, regex_problem

_OPS = {"Exact": Op.EXACT, "PathPrefix": Op.BELOW, "RegularExpression": Op.REGEX}
_REGEX = "RegularExpression"
_WHEN = "when type one of ['Exact', 'PathPrefix']"
_NEVER_IN, _NEVER_AT_END = ("//", "/./", "/../", "%2f", "%2F", "#"), ("/..", "/.")
_PATH = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")


_SHOWN = "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$"


def match_of(said: gw.HTTPRouteMatch) -> Match:
    """Return what a match asks for. Of several fields of one name the first counts; headers' names have no case."""
    method = (FieldMatch(":method", StringMatch(Op.EXACT, said.method)),) if said.method else ()
    headers = (*fields_of(said.headers, lower=True), *method)
    return Match(path=_path(said.path), headers=headers, query=fields_of(said.query_params))


def fields_of(said: Iterable[gw.HTTPFieldMatch], *, lower: bool = False) -> tuple[FieldMatch, ...]:
    """Return comparisons with headers (whose names have no case: `lower`) or parameters; of a name the first counts."""
    return _firsts(
        FieldMatch(one.name.lower() if lower else one.name, StringMatch(_OPS[one.type], one.value)) for one in said
    )


def is_path(text: str) -> bool:
    """Tell whether a text has only characters that paths have."""
    return _PATH.fullmatch(text) is not None


def match_findings(about: Ref, path: str, said: gw.HTTPRouteMatch) -> Iterator[Finding]:
    """Refuse what the API server refuses, and regexes that Envoy would."""
    if problem := _path_problem(said.path):
        yield Finding(about, "InvalidMatch", problem, f"{path}.path")
    for field, fields in (("headers", said.headers), ("queryParams", said.query_params)):
        for i, one in enumerate(fields):
            where = f"{path}.{field}[{i}]"
            if not is_header_name(one.name):
                yield Finding(about, "InvalidMatch", f"{one.name!r} is not the name of a header or parameter", where)
            if one.name in {other.name for other in fields[:i]}:
                yield Finding(about, "InvalidMatch", f"{one.name} is there twice", where)
            if one.type == _REGEX and (problem := regex_problem(one.value)):
                yield Finding(about, "InvalidMatch", problem, f"{where}.value")


def _path(said: gw.HTTPPathMatch) -> StringMatch:
    if said.type == "PathPrefix" and said.value == "/":
        return StringMatch(Op.PREFIX, "/")
    return StringMatch(_OPS[said.type], said.value)


def _firsts(fields: Iterable[FieldMatch]) -> tuple[FieldMatch, ...]:
    found: dict[str, FieldMatch] = {}
    for field in fields:
        found.setdefault(field.name, field)
    return tuple(found.values())


def _path_problem(said: gw.HTTPPathMatch) -> str:
    if said.type == _REGEX:
        return regex_problem(said.value)
    if not said.value.startswith("/"):
        return f"value must be an absolute path and start with '/' {_WHEN}"
    for text in _NEVER_IN:
        if text in said.value:
            return f"must not contain '{text}' {_WHEN}"
    for text in _NEVER_AT_END:
        if said.value.endswith(text):
            return f"must not end with '{text}' {_WHEN}"
    if not is_path(said.value):
        return f"must only contain valid characters (matching {_SHOWN}) for types ['Exact', 'PathPrefix']"
    return ""
