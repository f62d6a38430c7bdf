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
"""What a cookie's path may be (RFC 6265)."""


def session_of(about: Ref, path: str, said: gw.SessionPersistence | None) -> Session | None:
    """Return how sessions are told apart: by the name that the rule gives them, or else one of the rule's own.

    A cookie with an absolute timeout lives as long as that, also where its lifetime is the browser's: Envoy knows no
    other way to end a session.
    """
    if said is None:
        return None
    own = f"session-{about.namespace}-{about.name}-{''.join(filter(str.isdigit, path))}"
    if said.type == "Header":
        name = (said.header.name if said.header is not None else "") or said.session_name or own
        return Session(name=name, header=True)
    cookie = said.told_by_cookie
    name = cookie.name or said.session_name or own
    return Session(name, path=cookie.path, ttl_ms=optional_ms(said.absolute_timeout))


def session_findings(about: Ref, path: str, said: gw.SessionPersistence | None) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would."""
    if said is None:
        return
    yield from duration_findings(
        about, path, {"absoluteTimeout": said.absolute_timeout, "idleTimeout": said.idle_timeout}
    )
    cookie = said.told_by_cookie
    if cookie.lifetime_type == "Permanent" and not said.absolute_timeout:
        message = "AbsoluteTimeout must be specified when cookie lifetimeType is Permanent"
        yield Finding(about, "InvalidSession", message, path)
    for field, name in (("sessionName", said.session_name), ("cookie.name", cookie.name)):
        if name and not is_header_name(name):
            yield Finding(about, "InvalidSession", f"{name!r} cannot be the name of a cookie", f"{path}.{field}")
    if said.header is not None and said.header.name and not is_header_name(said.header.name):
        message = f"{said.header.name!r} is not the name of a header"
        yield Finding(about, "InvalidSession", message, f"{path}.header.name")
    if not _PATH.fullmatch(cookie.path):
        yield Finding(about, "InvalidSession", f"{cookie.path!r} is no path", f"{path}.cookie.path")


def session_remarks(about: Ref, path: str, said: gw.SessionPersistence | None, backends: int) -> Iterator[Finding]:
    """Say what of a session is not kept."""
    if said is None:
        return
    if said.idle_timeout:
        message = "sessions do not end when they are idle: only absoluteTimeout ends them"
        yield Finding(about, "SessionNotKept", message, f"{path}.idleTimeout", Severity.WARNING)
    if said.type == "Header" and said.absolute_timeout:
        message = "sessions that are told by a header do not end: only cookies do"
        yield Finding(about, "SessionNotKept", message, f"{path}.absoluteTimeout", Severity.WARNING, "use Cookie")
    if backends > 1 and said.type == "Header":
        message = "weights choose the backend of each request anew, and only then a session its endpoint there"
        fix = "use Cookie, or send to one backend"
        yield Finding(about, "SessionNotKept", message, path, Severity.WARNING, fix)
