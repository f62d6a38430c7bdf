"""Sessions across several backends: a second cookie says at which of them a session began.

Envoy chooses among weighted clusters anew for each request, and only then applies session persistence inside the
chosen cluster. So each branch gets a route of its own for requests that carry its pin; requests without one are split
by weight, and their first answer sets the pin.
"""

import hashlib
import re

import msgspec

from mirrorplane.api.actions import HeaderChanges, Headers, Session
from mirrorplane.api.matches import FieldMatch, Match, Op, StringMatch
from mirrorplane.api.routes import Branch, Forward, Route, Split

# 40 bits, to tell the few backends of one rule apart.
_DIGITS = 10
_SECOND_MS = 1000


class Pin(msgspec.Struct, frozen=True):
    """The cookie that stands for a branch. Its value is a hash, so that clients do not learn the backend's name."""

    name: str
    value: str
    attributes: str


def expand_session_pins(route: Route) -> tuple[Route, ...]:
    """Return a route to each pinned branch, and then the split, whose branches set their pin.

    Gateway API: a backend of weight 0 keeps its sessions and gets no new ones. No session is pinned to a branch that
    only answers with an error.
    """
    session, split = route.session, route.action
    if session is None or session.header or not isinstance(split, Split) or not all(b.pin for b in split.branches):
        return (route,)
    pins = [_pin(session, branch) for branch in split.branches]
    pinned = (
        msgspec.structs.replace(route, match=_with_cookie(route.match, pin), action=branch.action)
        for branch, pin in zip(split.branches, pins, strict=True)
    )
    pinning = tuple(_setting(branch, pin) for branch, pin in zip(split.branches, pins, strict=True))
    return (*pinned, msgspec.structs.replace(route, action=Split(pinning)))


def _pin(session: Session, branch: Branch) -> Pin:
    """Return the cookie of a branch: it lives as long as the session's own."""
    expiry = f"; Max-Age={session.ttl_ms // _SECOND_MS}" if session.ttl_ms else ""
    # Of the backend, not of its place in the rule: reordering backends keeps sessions.
    value = hashlib.sha256(branch.pin.encode()).hexdigest()[:_DIGITS]
    return Pin(f"{session.name}-backend", value, f"; Path={session.path}; HttpOnly{expiry}")


def _with_cookie(match: Match, pin: Pin) -> Match:
    """Return a match of requests that carry a pin, among whatever other cookies."""
    cookie = f"{re.escape(pin.name)}={pin.value}"
    field = FieldMatch("cookie", StringMatch(Op.REGEX, f"(?:.*;)? *{cookie} *(?:;.*)?"))
    return msgspec.structs.replace(match, headers=(*match.headers, field))


def _setting(branch: Branch, pin: Pin) -> Branch:
    if isinstance(branch.action, Forward) and not branch.action.destinations:
        return branch
    cookie = f"{pin.name}={pin.value}{pin.attributes}".replace("%", "%%")  # a single % begins one of Envoy's commands
    pinning = Headers(response=HeaderChanges(add=(("set-cookie", cookie),)))
    return msgspec.structs.replace(branch, headers=branch.headers.plus(pinning))
