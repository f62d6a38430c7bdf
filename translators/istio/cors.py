"""CorsPolicy -> Cors."""

from collections.abc import Iterator

from mirrorplane.api.actions import Cors, UnmatchedPreflights
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.matches import Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.durations import duration_findings, optional_ms
from mirrorplane.translators.istio.matches import string_of, string_problem
from mirrorplane.translators.patterns import is_header_name

_PREFLIGHTS = ("", "UNSPECIFIED", "FORWARD", "IGNORE")
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"])


def cors_of(said: istio.CorsPolicy | None) -> Cors | None:
    """Return who may read the answers; None when the rule does not say. `allowOrigins` goes before `allowOrigin`."""
    if said is None:
        return None
    origins = [string_of(origin) for origin in said.allow_origins]
    return Cors(
        origins=tuple(filter(None, origins)) or tuple(StringMatch(Op.EXACT, origin) for origin in said.allow_origin),
        methods=said.allow_methods,
        headers=said.allow_headers,
        expose=said.expose_headers,
        max_age_s=optional_ms(said.max_age) // 1000 if said.max_age else -1,
        credentials=said.allow_credentials,
        unmatched_preflights=(
            UnmatchedPreflights.ANSWER if said.unmatched_preflights == "IGNORE" else UnmatchedPreflights.FORWARD
        ),
    )


def cors_findings(about: Ref, path: str, said: istio.CorsPolicy | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if said is None:
        return
    for i, origin in enumerate(said.allow_origins):
        if problem := string_problem("origin", origin) or ("" if string_of(origin) else "the origin is empty"):
            yield Finding(about, "InvalidCors", problem, f"{path}.allowOrigins[{i}]")
    if said.allow_origin:
        fix = "use allowOrigins"
        yield Finding(about, "Deprecated", "allowOrigin is deprecated", f"{path}.allowOrigin", Severity.WARNING, fix)
    yield from _name_findings(about, path, said)
    if said.unmatched_preflights not in _PREFLIGHTS:
        message = f"{said.unmatched_preflights!r} is neither FORWARD nor IGNORE"
        yield Finding(about, "InvalidCors", message, f"{path}.unmatchedPreflights")
    yield from duration_findings(about, path, {"maxAge": said.max_age})
    if said.allow_credentials and any(o.regex == ".*" for o in said.allow_origins):
        message = "every origin may read answers that were made with a user's credentials"
        yield Finding(about, "CorsTooWide", message, path, Severity.WARNING, "name the origins")


def _name_findings(about: Ref, path: str, said: istio.CorsPolicy) -> Iterator[Finding]:
    for method in said.allow_methods:
        if method not in _METHODS:
            yield Finding(about, "InvalidCors", f"{method!r} is not a valid HTTP method", f"{path}.allowMethods")
    for field, names in (("allowHeaders", said.allow_headers), ("exposeHeaders", said.expose_headers)):
        for name in names:
            if not is_header_name(name):
                yield Finding(about, "InvalidCors", f"{name!r} is not the name of a header", f"{path}.{field}")
