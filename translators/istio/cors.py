"""CorsPolicy -> Cors."""

from collections.abc import Iterator

from mirrorplane.api.actions import Cors, UnmatchedPreflights
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.matches import Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.matches import string_of, string_problem
from mirrorplane.translators.istio.scalars import duration_findings, optional_ms
from mirrorplane.translators.patterns import is_header_name

_PREFLIGHTS = ("", "UNSPECIFIED", "FORWARD", "IGNORE")
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"])


def cors_of(spec: istio.CorsPolicy | None) -> Cors | None:
    """Return the CORS policy; None when the rule has none. `allowOrigins` wins over `allowOrigin`."""
    if spec is None:
        return None
    origins = [string_of(origin) for origin in spec.allow_origins]
    return Cors(
        origins=tuple(filter(None, origins)) or tuple(StringMatch(Op.EXACT, origin) for origin in spec.allow_origin),
        methods=spec.allow_methods,
        headers=spec.allow_headers,
        expose=spec.expose_headers,
        # -1 sends no Access-Control-Max-Age; 0 is a value, which forbids caching.
        max_age_s=optional_ms(spec.max_age) // 1000 if spec.max_age else -1,
        credentials=spec.allow_credentials,
        unmatched_preflights=(
            # Unset is FORWARD (Istio).
            UnmatchedPreflights.ANSWER if spec.unmatched_preflights == "IGNORE" else UnmatchedPreflights.FORWARD
        ),
    )


def cors_findings(about: Ref, path: str, spec: istio.CorsPolicy | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if spec is None:
        return
    for i, origin in enumerate(spec.allow_origins):
        if problem := string_problem("origin", origin) or ("" if string_of(origin) else "the origin is empty"):
            yield Finding(about, "InvalidCors", problem, f"{path}.allowOrigins[{i}]")
    if spec.allow_origin:
        fix = "use allowOrigins"
        yield Finding(about, "Deprecated", "allowOrigin is deprecated", f"{path}.allowOrigin", Severity.WARNING, fix)
    yield from _name_findings(about, path, spec)
    if spec.unmatched_preflights not in _PREFLIGHTS:
        message = f"{spec.unmatched_preflights!r} is not one of FORWARD, IGNORE"
        yield Finding(about, "InvalidCors", message, f"{path}.unmatchedPreflights")
    yield from duration_findings(about, path, {"maxAge": spec.max_age})
    if spec.allow_credentials and any(o.regex == ".*" for o in spec.allow_origins):
        message = "any origin may read responses that carry the user's credentials"
        yield Finding(about, "CorsTooWide", message, path, Severity.WARNING, "list the allowed origins")


def _name_findings(about: Ref, path: str, spec: istio.CorsPolicy) -> Iterator[Finding]:
    for method in spec.allow_methods:
        if method not in _METHODS:
            yield Finding(about, "InvalidCors", f"{method!r} is not a valid HTTP method", f"{path}.allowMethods")
    for field, names in (("allowHeaders", spec.allow_headers), ("exposeHeaders", spec.expose_headers)):
        for name in names:
            if not is_header_name(name):
                yield Finding(about, "InvalidCors", f"{name!r} is not a valid header name", f"{path}.{field}")
