"""Comparisons with strings, headers and query parameters. Each answers why it does not hold, or ""."""

import re2

from mirrorplane.api.tracing import Request
from mirrorplane.translators import envoy

_DENOMINATORS = {
    envoy.FractionalPercent.HUNDRED: 100,
    envoy.FractionalPercent.TEN_THOUSAND: 10_000,
    envoy.FractionalPercent.MILLION: 1_000_000,
}


def header_problem(said: envoy.HeaderMatcher, request: Request) -> str:
    """Say why a header does not match. One of the values of a repeated header is enough; inverted, none may match.

    Envoy 1.40 was seen to compare each value by itself, where its documentation speaks of values joined by commas.
    """
    values = header(request, said.name)
    shown = f"header {said.name}"
    if said.WhichOneof("header_match_specifier") == "present_match":
        wanted = said.present_match != said.invert_match
        if bool(values) == wanted:
            return ""
        return f"{shown} is missing" if wanted else f"{shown} is there ({_shown(values)}), and must not be"
    if not values and not said.treat_missing_header_as_empty:
        return f"{shown} is missing ({wants(said.string_match)})"
    given = values or ("",)
    if any(fits(said.string_match, value) for value in given) != said.invert_match:
        return ""
    if said.invert_match:
        return f"{shown} is {_shown(given)} (for this route it must not {wish(said.string_match)})"
    return f"{shown} is {_shown(given)} ({wants(said.string_match)})"


def query_problem(said: envoy.QueryParameterMatcher, path: str) -> str:
    """Say why a query parameter does not match. Values are compared as they were sent, and only the first counts."""
    value = parameters(path).get(said.name)
    shown = f"query parameter {said.name}"
    if said.WhichOneof("query_parameter_match_specifier") == "string_match":
        if value is not None and fits(said.string_match, value):
            return ""
        return f"{shown} is {'missing' if value is None else repr(value)} ({wants(said.string_match)})"
    return "" if value is not None else f"{shown} is missing"


def header(request: Request, name: str) -> tuple[str, ...]:
    """Return a header's values; `:method`, `:path`, `:scheme` and `:authority` (or `host`) are headers too."""
    pseudo = {
        ":method": request.method,
        ":path": request.path,
        ":scheme": request.scheme,
        ":authority": request.authority,
        "host": request.authority,
    }
    asked = name.lower()
    return (pseudo[asked],) if asked in pseudo else tuple(value for key, value in request.headers if key == asked)


def parameters(path: str) -> dict[str, str]:
    """Return the query parameters, undecoded; the first of a name."""
    found: dict[str, str] = {}
    for pair in path.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if pair:
            found.setdefault(name, value)
    return found


def fits(said: envoy.StringMatcher, value: str) -> bool:
    """Tell whether a string is as wanted."""
    kind = said.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return full_match(said.safe_regex.regex, value)
    wanted, given = getattr(said, kind), value
    if said.ignore_case:
        wanted, given = wanted.lower(), given.lower()
    held = {"exact": given == wanted, "prefix": given.startswith(wanted), "suffix": given.endswith(wanted)}
    return bool(held.get(kind, wanted in given))


def wants(said: envoy.StringMatcher) -> str:
    """Say what a comparison wants, `it has to be 'x'`."""
    return f"it has to {wish(said)}"


def wish(said: envoy.StringMatcher) -> str:
    """Say what a comparison wants, `be 'x'`."""
    kind = said.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return f"match the regex {said.safe_regex.regex!r} as a whole"
    verb = {"exact": "be", "prefix": "begin with", "suffix": "end with", "contains": "contain"}[kind]
    return f"{verb} {getattr(said, kind)!r}"


def _shown(values: tuple[str, ...]) -> str:
    return " and ".join(map(repr, values))


def full_match(pattern: str, text: str) -> bool:
    """Tell whether a regex (RE2) matches all of a text."""
    return re2.compile(pattern).fullmatch(text) is not None


def fraction(said: envoy.FractionalPercent) -> tuple[int, int]:
    """Return numerator and denominator."""
    return said.numerator, _DENOMINATORS[said.denominator]
