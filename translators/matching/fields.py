"""Matchers of strings, headers and query parameters. A `..._problem` returns why one does not match, or ""."""

import re2

from mirrorplane.api.tracing import Request
from mirrorplane.translators import envoy

_DENOMINATORS = {
    envoy.FractionalPercent.HUNDRED: 100,
    envoy.FractionalPercent.TEN_THOUSAND: 10_000,
    envoy.FractionalPercent.MILLION: 1_000_000,
}


def header_problem(matcher: envoy.HeaderMatcher, request: Request) -> str:
    """Return why a header does not match. Any value of a repeated header may match; inverted, none may.

    Envoy 1.40 was observed to compare each value by itself, although its documentation says that values are joined
    by commas first.
    """
    values = header_values(request, matcher.name)
    title = f"header {matcher.name}"
    if matcher.WhichOneof("header_match_specifier") == "present_match":
        must_exist = matcher.present_match != matcher.invert_match
        if bool(values) == must_exist:
            return ""
        return f"{title} is missing" if must_exist else f"{title} is {_quoted(values)} (it must be absent)"
    if not values and not matcher.treat_missing_header_as_empty:
        return f"{title} is missing (it {expectation(matcher.string_match)})"
    compared = values or ("",)
    if any(string_matches(matcher.string_match, value) for value in compared) != matcher.invert_match:
        return ""
    if matcher.invert_match:
        return f"{title} is {_quoted(compared)} (it {expectation(matcher.string_match, verb='must not')})"
    return f"{title} is {_quoted(compared)} (it {expectation(matcher.string_match)})"


def query_problem(matcher: envoy.QueryParameterMatcher, path: str) -> str:
    """Return why a query parameter does not match. Values are compared undecoded, and only the first counts."""
    value = query_parameters(path).get(matcher.name)
    title = f"query parameter {matcher.name}"
    if matcher.WhichOneof("query_parameter_match_specifier") == "string_match":
        if value is not None and string_matches(matcher.string_match, value):
            return ""
        return f"{title} is {'missing' if value is None else repr(value)} (it {expectation(matcher.string_match)})"
    return "" if value is not None else f"{title} is missing"


def header_values(request: Request, name: str) -> tuple[str, ...]:
    """Return a header's values; `:method`, `:path`, `:scheme` and `:authority` (or `host`) are headers too."""
    pseudo = {
        ":method": request.method,
        ":path": request.path,
        ":scheme": request.scheme,
        ":authority": request.authority,
        "host": request.authority,
    }
    key = name.lower()
    return (pseudo[key],) if key in pseudo else tuple(v for header, v in request.headers if header == key)


def query_parameters(path: str) -> dict[str, str]:
    """Return the query parameters, undecoded; the first of each name."""
    parameters: dict[str, str] = {}
    for pair in path.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if pair:
            parameters.setdefault(name, value)
    return parameters


def string_matches(matcher: envoy.StringMatcher, value: str) -> bool:
    """Tell whether a StringMatcher matches a value."""
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return full_match(matcher.safe_regex.regex, value)
    pattern = getattr(matcher, kind)
    if matcher.ignore_case:
        pattern, value = pattern.lower(), value.lower()
    results = {"exact": value == pattern, "prefix": value.startswith(pattern), "suffix": value.endswith(pattern)}
    # The kind that is left is `contains`.
    return bool(results.get(kind, pattern in value))


def expectation(matcher: envoy.StringMatcher, *, verb: str = "must") -> str:
    """Return what a matcher expects, as `must be 'x'`."""
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return f"{verb} fully match the regex {matcher.safe_regex.regex!r}"
    relation = {"exact": "be", "prefix": "start with", "suffix": "end with", "contains": "contain"}[kind]
    return f"{verb} {relation} {getattr(matcher, kind)!r}"


def _quoted(values: tuple[str, ...]) -> str:
    return " and ".join(map(repr, values))


def full_match(pattern: str, text: str) -> bool:
    """Tell whether a regex (RE2) matches all of a text."""
    return re2.compile(pattern).fullmatch(text) is not None


def fraction(percent: envoy.FractionalPercent) -> tuple[int, int]:
    """Return numerator and denominator."""
    return percent.numerator, _DENOMINATORS[percent.denominator]
