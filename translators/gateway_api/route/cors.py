"""HTTPCORSFilter -> Cors."""

import re
from collections.abc import Iterator

from mirrorplane.api.actions import Cors, UnmatchedPreflights
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.matches import Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.patterns import is_header_name

_ALL = "*"
# Anything but the port, or an IPv6 address in brackets.
_ANY_HOST = r"(?:[^/:]+|\[[^/\]]*\])"
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\*|(?:\*\.)?[a-zA-Z0-9*](?:[-a-zA-Z0-9.*]*[a-zA-Z0-9*])?)(?::(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def cors_of(spec: gw.HTTPCORSFilter | None) -> Cors | None:
    """Return the CORS policy.

    Gateway API: with credentials, no response contains `*`. For methods and headers Envoy then echoes what a preflight
    requests. For exposed headers it has nothing to echo, so `*` is dropped.
    """
    if spec is None:
        return None
    return Cors(
        origins=tuple(_origin(text) for text in spec.allow_origins),
        methods=spec.allow_methods,
        headers=spec.allow_headers,
        expose=tuple(name for name in spec.expose_headers if name != _ALL or not spec.allow_credentials),
        max_age_s=spec.max_age,
        credentials=spec.allow_credentials,
        unmatched_preflights=UnmatchedPreflights.REFUSE,
    )


def cors_findings(about: Ref, path: str, spec: gw.HTTPCORSFilter) -> Iterator[Finding]:
    """Report what the API server rejects, and what Envoy would."""
    for field, name, values in (
        ("allowOrigins", "AllowOrigins", spec.allow_origins),
        ("allowMethods", "AllowMethods", spec.allow_methods),
        ("allowHeaders", "AllowHeaders", spec.allow_headers),
    ):
        if _ALL in values and len(values) > 1:
            # The API server's message for headers says "methods", too.
            values_name = "origins" if field == "allowOrigins" else "methods"
            message = f"{name} cannot contain '*' alongside other {values_name}"
            yield Finding(about, "InvalidCors", message, f"{path}.{field}")
        if len(set(values)) < len(values):
            yield Finding(about, "InvalidCors", "duplicate value", f"{path}.{field}")
    for i, origin in enumerate(spec.allow_origins):
        if origin != _ALL and not _ORIGIN.fullmatch(origin):
            message = f"invalid origin {origin!r}: use http:// or https://, a host and optionally a port, or *"
            yield Finding(about, "InvalidCors", message, f"{path}.allowOrigins[{i}]")
    for field, names in (("allowHeaders", spec.allow_headers), ("exposeHeaders", spec.expose_headers)):
        for i, name in enumerate(names):
            if not is_header_name(name):
                yield Finding(about, "InvalidCors", f"invalid header name {name!r}", f"{path}.{field}[{i}]")
    if spec.allow_credentials and _ALL in spec.expose_headers:
        message = "with allowCredentials, browsers read * as a header's name; no headers are exposed by it"
        yield Finding(
            about, "HeadersNotExposed", message, f"{path}.exposeHeaders", Severity.WARNING, "list the headers by name"
        )


def _origin(text: str) -> StringMatch:
    """Return the comparison for an Origin header.

    Gateway API: `*` matches everything to its left, dots included. Browsers omit a scheme's default port, so an origin
    without one matches both spellings.
    """
    if text == _ALL:
        return StringMatch(Op.REGEX, ".*")
    parts = _ORIGIN.fullmatch(text)
    assert parts is not None, "validated before"
    scheme, port = parts["scheme"], parts["port"] or _DEFAULT_PORTS[parts["scheme"]]
    # Browsers write the host in lower case, so an origin in upper case would never match.
    host = _ANY_HOST if parts["host"] == _ALL else re.escape(parts["host"].lower()).replace(r"\*", "[^/:]+")
    port_pattern = f"(?::{port})?" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return StringMatch(Op.REGEX, f"{scheme}://{host}{port_pattern}")
