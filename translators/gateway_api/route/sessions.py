"""SessionPersistence -> Session."""

import re
from collections.abc import Iterator

from mirrorplane.api.actions import Session
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api import sessions as gw
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.route.durations import duration_findings, optional_ms
from mirrorplane.translators.patterns import is_header_name

_PATH = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")
"""A valid path of a cookie (RFC 6265, section 4.1.1)."""


def session_of(about: Ref, path: str, spec: gw.SessionPersistence | None) -> Session | None:
    """Return the session persistence of a rule; without a name, one is made from the object and the rule's index.

    A cookie with an absolute timeout lives that long, even if its lifetime is the browser session: Envoy has no other
    way to end a session.
    """
    if spec is None:
        return None
    # Stable across restarts and replicas: a session must survive both.
    default_name = f"session-{about.namespace}-{about.name}-{''.join(filter(str.isdigit, path))}"
    if spec.type == "Header":
        header_name = spec.header.name if spec.header is not None else ""
        return Session(name=header_name or spec.session_name or default_name, header=True)
    cookie = spec.cookie_settings
    name = cookie.name or spec.session_name or default_name
    return Session(name, path=cookie.path, ttl_ms=optional_ms(spec.absolute_timeout))


def session_findings(about: Ref, path: str, spec: gw.SessionPersistence | None) -> Iterator[Finding]:
    """Report what the API server rejects, and what Envoy would."""
    if spec is None:
        return
    yield from duration_findings(
        about, path, {"absoluteTimeout": spec.absolute_timeout, "idleTimeout": spec.idle_timeout}
    )
    cookie = spec.cookie_settings
    if cookie.lifetime_type == "Permanent" and not spec.absolute_timeout:
        message = "AbsoluteTimeout must be specified when cookie lifetimeType is Permanent"
        yield Finding(about, "InvalidSession", message, path)
    for field, name in (("sessionName", spec.session_name), ("cookie.name", cookie.name)):
        if name and not is_header_name(name):
            yield Finding(about, "InvalidSession", f"invalid cookie name {name!r}", f"{path}.{field}")
    if spec.header is not None and spec.header.name and not is_header_name(spec.header.name):
        message = f"invalid header name {spec.header.name!r}"
        yield Finding(about, "InvalidSession", message, f"{path}.header.name")
    if not _PATH.fullmatch(cookie.path):
        yield Finding(about, "InvalidSession", f"invalid cookie path {cookie.path!r}", f"{path}.cookie.path")


def session_warnings(about: Ref, path: str, spec: gw.SessionPersistence | None, backends: int) -> Iterator[Finding]:
    """Report settings of a session that have no effect, for a rule with so many backends of weight above 0."""
    if spec is None:
        return
    if spec.idle_timeout:
        message = "idleTimeout is ignored; sessions end by absoluteTimeout only"
        yield Finding(about, "SessionNotKept", message, f"{path}.idleTimeout", Severity.WARNING)
    if spec.type == "Header" and spec.absolute_timeout:
        message = "absoluteTimeout is ignored; sessions of type Header do not expire"
        yield Finding(about, "SessionNotKept", message, f"{path}.absoluteTimeout", Severity.WARNING, "use type Cookie")
    if backends > 1 and spec.type == "Header":
        message = (
            "type Header keeps a session on an endpoint, but the backend is chosen by weight for each request; sessions"
            " do not persist across backends"
        )
        fix = "use type Cookie, or a single backend"
        yield Finding(about, "SessionNotKept", message, path, Severity.WARNING, fix)
