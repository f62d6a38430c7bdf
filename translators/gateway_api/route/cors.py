"""HTTPCORSFilter -> Cors, and the routes that answer those who ask in vain."""

import re
from collections.abc import Iterator, Sequence

import msgspec

from mirrorplane.api.actions import Answer, Cors
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.matches import FieldMatch, Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.api.routes import Route
from mirrorplane.translators.patterns import is_header_name

_ALL = "*"
_ANY_HOST = r"(?:[^/:]+|\[[^/\]]*\])"
_REFUSED = 403
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\*|(?:\*\.)?[a-zA-Z0-9*](?:[-a-zA-Z0-9.*]*[a-zA-Z0-9*])?)(?::(?P<port>[0-9]{1,5}))?"
)
_WELL_KNOWN = {"http": "80", "https": "443"}
_ASKS_METHOD = FieldMatch("access-control-request-method", StringMatch(Op.PRESENT))
_ASKS_NO_HEADERS = FieldMatch("access-control-request-headers", StringMatch(Op.PRESENT), invert=True)
_HAS_ORIGIN = FieldMatch("origin", StringMatch(Op.PRESENT))
_PREFLIGHT = (FieldMatch(":method", StringMatch(Op.EXACT, "OPTIONS")), _ASKS_METHOD, _HAS_ORIGIN)


def cors_of(said: gw.HTTPCORSFilter | None) -> Cors | None:
    """Return who may read the answers.

    Gateway API: where credentials are allowed, nobody is told `*`; for methods and headers Envoy then says what was
    asked for. Of which headers there are it cannot, so none is named. GET, HEAD and POST need no leave.
    """
    if said is None:
        return None
    exposed = tuple(name for name in said.expose_headers if name != _ALL or not said.allow_credentials)
    return Cors(
        origins=tuple(_origin(text) for text in said.allow_origins),
        methods=said.allow_methods,
        headers=said.allow_headers,
        expose=exposed,
        max_age_s=said.max_age,
        credentials=said.allow_credentials,
        forward_unmatched=False,
    )


def with_preflights(made: Sequence[Route]) -> Iterator[Route]:
    """Yield the routes of one match, and before them preflights that Envoy would not answer as it should.

    Gateway API: an origin that is not allowed learns nothing, where Envoy tells it all but its own name. Who asks for
    no headers is told of none, where Envoy sends the header without a value.
    """
    last = made[-1]
    if last.cors is not None:
        strangers = tuple(FieldMatch("origin", origin, invert=True) for origin in last.cors.origins)
        refused = _narrowed(last, (*_PREFLIGHT, *strangers))
        yield msgspec.structs.replace(refused, action=Answer(_REFUSED), cors=None, authorization=None, session=None)
        if last.cors.credentials and _ALL in last.cors.headers:
            silent = _narrowed(last, (*_PREFLIGHT, _ASKS_NO_HEADERS))
            yield msgspec.structs.replace(silent, cors=msgspec.structs.replace(last.cors, headers=()))
    yield from made


def cors_findings(about: Ref, path: str, said: gw.HTTPCORSFilter) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would."""
    for field, name, values in (
        ("allowOrigins", "AllowOrigins", said.allow_origins),
        ("allowMethods", "AllowMethods", said.allow_methods),
        ("allowHeaders", "AllowHeaders", said.allow_headers),
    ):
        if _ALL in values and len(values) > 1:
            others = "origins" if field == "allowOrigins" else "methods"
            message = f"{name} cannot contain '*' alongside other {others}"
            yield Finding(about, "InvalidCors", message, f"{path}.{field}")
        if len(set(values)) < len(values):
            yield Finding(about, "InvalidCors", "a value is there twice", f"{path}.{field}")
    for i, origin in enumerate(said.allow_origins):
        if origin != _ALL and not _ORIGIN.fullmatch(origin):
            message = f"{origin!r} is no origin: write https:// or http://, a host and perhaps a port, or *"
            yield Finding(about, "InvalidCors", message, f"{path}.allowOrigins[{i}]")
    for field, names in (("allowHeaders", said.allow_headers), ("exposeHeaders", said.expose_headers)):
        for i, name in enumerate(names):
            if not is_header_name(name):
                message = f"{name!r} is not the name of a header"
                yield Finding(about, "InvalidCors", message, f"{path}.{field}[{i}]")
    if said.allow_credentials and _ALL in said.expose_headers:
        message = "with allowCredentials, * would be the name of a header: nobody is told of any"
        yield Finding(
            about, "HeadersNotExposed", message, f"{path}.exposeHeaders", Severity.WARNING, "name the headers"
        )


def _narrowed(said: Route, headers: tuple[FieldMatch, ...]) -> Route:
    match = msgspec.structs.replace(said.match, headers=(*said.match.headers, *headers))
    return msgspec.structs.replace(said, match=match)


def _origin(text: str) -> StringMatch:
    """Return what an Origin is compared with.

    Gateway API: a `*` takes all to its left, dots too. Without a port it is the scheme's own, which browsers leave out.
    """
    if text == _ALL:
        return StringMatch(Op.REGEX, ".*")
    found = _ORIGIN.fullmatch(text)
    assert found is not None, "validated before"
    scheme, port = found["scheme"], found["port"] or _WELL_KNOWN[found["scheme"]]
    host = _ANY_HOST if found["host"] == _ALL else re.escape(found["host"].lower()).replace(r"\*", "[^/:]+")
    said = f"(?::{port})?" if port == _WELL_KNOWN[scheme] else f":{port}"
    return StringMatch(Op.REGEX, f"{scheme}://{host}{said}")
