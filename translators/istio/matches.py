"""HTTPMatchRequest -> Match."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.matches import FieldMatch, Match, Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.patterns import LONGEST, is_header_name, regex_problem

_ANY = "*"


def match_of(request: istio.MatchRequest) -> Match:
    """Return what a match asks for; fields that are not set ask for nothing. Headers come sorted (Istio)."""
    return Match(
        path=_uri(request.uri),
        ignore_case=request.ignore_uri_case,
        headers=tuple(_headers(request)),
        query=tuple(FieldMatch(name, _field(m)) for name, m in sorted(request.query_params.items())),
        port=request.port,
        source_labels=tuple(sorted(request.source_labels.items())),
        source_namespace=request.source_namespace,
        gateways=request.gateways,
    )


def match_findings(about: Ref, path: str, request: istio.MatchRequest) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses: regexes RE2 cannot read, string matches with no or many choices."""
    named = [("uri", request.uri), ("scheme", request.scheme), ("method", request.method)]
    named.append(("authority", request.authority))
    for field, entries in (
        ("headers", request.headers),
        ("withoutHeaders", request.without_headers),
        ("queryParams", request.query_params),
    ):
        named += [(f"{field}.{name}", match) for name, match in entries.items()]
    for field, match in named:
        problem = string_problem(field, match) if match is not None else ""
        if problem:
            yield Finding(about, "InvalidMatch", problem, f"{path}.{field}")
    for field, names in (("headers", request.headers), ("withoutHeaders", request.without_headers)):
        for name in names:
            if not is_header_name(name):
                yield Finding(about, "InvalidMatch", f"{name!r} is not the name of a header", f"{path}.{field}")
    for name in request.query_params:
        if not 0 < len(name.encode()) <= LONGEST:
            message = f"the name of a query parameter has 1 to {LONGEST} bytes, not {len(name.encode())}"
            yield Finding(about, "InvalidMatch", message, f"{path}.queryParams")


def string_problem(field: str, match: istio.StringMatch) -> str:
    """Return what is wrong with a comparison, or ""; `field` is where it stands below a match."""
    said = [kind for kind in ("exact", "prefix", "regex") if getattr(match, kind) is not None]
    if len(said) > 1:
        return f"{' and '.join(said)} are both set: use one"
    if match.prefix == "" and field != "uri":
        return "an empty prefix matches everything: leave it out"
    if match.regex is None or (match.regex == _ANY and "." in field):
        return ""
    return regex_problem(match.regex)


def _uri(match: istio.StringMatch | None) -> StringMatch:
    said = string_of(match) if match is not None else None
    return said or StringMatch(Op.PREFIX, "/")


def _headers(request: istio.MatchRequest) -> Iterator[FieldMatch]:
    for name, match in sorted(request.headers.items()):
        yield FieldMatch(name.lower(), _field(match))
    for name, match in sorted(request.without_headers.items()):
        yield FieldMatch(name.lower(), _field(match), invert=True)
    for pseudo, said in ((":method", request.method), (":authority", request.authority), (":scheme", request.scheme)):
        if said is not None:
            yield FieldMatch(pseudo, _field(said))


def _field(match: istio.StringMatch) -> StringMatch:
    """Headers and query parameters: `{}` and the regex `*` mean "is present" (Istio)."""
    said = string_of(match)
    return said if said is not None and match.regex != _ANY else StringMatch(Op.PRESENT)


def string_of(match: istio.StringMatch) -> StringMatch | None:
    """Return a comparison; None for one that is empty."""
    if match.exact is not None:
        return StringMatch(Op.EXACT, match.exact)
    if match.prefix is not None:
        return StringMatch(Op.PREFIX, match.prefix)
    if match.regex is not None:
        return StringMatch(Op.REGEX, match.regex)
    return None
