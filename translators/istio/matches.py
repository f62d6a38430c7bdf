"""HTTPMatchRequest -> Match."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.matches import FieldMatch, Match, Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.patterns import LONGEST, is_header_name, regex_problem

_ANY = "*"


def match_of(request: istio.MatchRequest) -> Match:
    """Return the match; unset fields match everything. Headers are sorted (Istio)."""
    return Match(
        path=_uri(request.uri),
        ignore_case=request.ignore_uri_case,
        headers=tuple(_headers(request)),
        # Istio leaves these in the order of a Go map; sorted, equal rules have equal bytes.
        query=tuple(FieldMatch(name, _field(m)) for name, m in sorted(request.query_params.items())),
        port=request.port,
        source_labels=tuple(sorted(request.source_labels.items())),
        source_namespace=request.source_namespace,
        gateways=request.gateways,
    )


def match_findings(about: Ref, path: str, request: istio.MatchRequest) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses: regexes RE2 cannot read, string matches with no or many choices."""
    strings = [("uri", request.uri), ("scheme", request.scheme), ("method", request.method)]
    strings.append(("authority", request.authority))
    for field, entries in (
        ("headers", request.headers),
        ("withoutHeaders", request.without_headers),
        ("queryParams", request.query_params),
    ):
        strings += [(f"{field}.{name}", match) for name, match in entries.items()]
    for field, match in strings:
        problem = string_problem(field, match) if match is not None else ""
        if problem:
            yield Finding(about, "InvalidMatch", problem, f"{path}.{field}")
    for field, names in (("headers", request.headers), ("withoutHeaders", request.without_headers)):
        for name in names:
            if not is_header_name(name):
                yield Finding(about, "InvalidMatch", f"{name!r} is not a valid header name", f"{path}.{field}")
    for name in request.query_params:
        if not 0 < len(name.encode()) <= LONGEST:
            message = f"the name of a query parameter must have 1 to {LONGEST} bytes, not {len(name.encode())}"
            yield Finding(about, "InvalidMatch", message, f"{path}.queryParams")


def string_problem(field: str, match: istio.StringMatch) -> str:
    """Return what is wrong with a StringMatch, or ""; `field` is its path below the match."""
    kinds = [kind for kind in ("exact", "prefix", "regex") if getattr(match, kind) is not None]
    if len(kinds) > 1:
        return f"{' and '.join(kinds)} are both set: use one"
    if match.prefix == "" and field != "uri":
        return "an empty prefix matches everything; remove it"
    # `*` is no regex, but says "present" of headers and query parameters, whose fields have a dot (Istio).
    if match.regex is None or (match.regex == _ANY and "." in field):
        return ""
    return regex_problem(match.regex)


def _uri(match: istio.StringMatch | None) -> StringMatch:
    comparison = string_of(match) if match is not None else None
    return comparison or StringMatch(Op.PREFIX, "/")


def _headers(request: istio.MatchRequest) -> Iterator[FieldMatch]:
    for name, match in sorted(request.headers.items()):
        yield FieldMatch(name.lower(), _field(match))
    for name, match in sorted(request.without_headers.items()):
        yield FieldMatch(name.lower(), _field(match), invert=True)
    for pseudo, comparison in (
        (":method", request.method),
        (":authority", request.authority),
        (":scheme", request.scheme),
    ):
        if comparison is not None:
            yield FieldMatch(pseudo, _field(comparison))


def _field(match: istio.StringMatch) -> StringMatch:
    """Return the matcher of a header or query parameter: `{}` and the regex `*` mean "is present" (Istio)."""
    comparison = string_of(match)
    return comparison if comparison is not None and match.regex != _ANY else StringMatch(Op.PRESENT)


def string_of(match: istio.StringMatch) -> StringMatch | None:
    """Return a string matcher; None for `{}`."""
    if match.exact is not None:
        return StringMatch(Op.EXACT, match.exact)
    if match.prefix is not None:
        return StringMatch(Op.PREFIX, match.prefix)
    if match.regex is not None:
        return StringMatch(Op.REGEX, match.regex)
    return None
