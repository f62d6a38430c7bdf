"""Sessions where a rule has several backends: a second cookie says at which of them a session began.

Envoy chooses among weighted clusters anew for each request, and only then looks at whose session it is. So each backend
is a route of its own: those who show its pin get there, and those who show none are given one with their first answer.
"""

import hashlib
import re

import msgspec

from mirrorplane.api.actions import Headers, Session
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.matches import FieldMatch, Match, Op, StringMatch
from mirrorplane.api.meta import Ref

_DIGITS = 10
_SECOND_MS = 1000


class Pin(msgspec.Struct, frozen=True):
    """The cookie that stands for a backend. Its value tells nobody what the backend is called."""

    name: str
    value: str
    attributes: str


def pin_of(session: Session, about: Ref, to: gw.HTTPBackendRef) -> Pin:
    """Return the cookie of a backend: it lives as long as the session's own."""
    meant = f"{to.namespace or about.namespace}/{to.name}:{to.port}"
    ends = f"; Max-Age={session.ttl_ms // _SECOND_MS}" if session.ttl_ms else ""
    value = hashlib.sha256(meant.encode()).hexdigest()[:_DIGITS]
    return Pin(f"{session.name}-backend", value, f"; Path={session.path}; HttpOnly{ends}")


def shown(match: Match, pin: Pin) -> Match:
    """Return a match of requests that show a pin."""
    cookie = f"{re.escape(pin.name)}={pin.value}"
    asked = FieldMatch("cookie", StringMatch(Op.REGEX, f"(?:.*;)? *{cookie} *(?:;.*)?"))
    return msgspec.structs.replace(match, headers=(*match.headers, asked))


def given(headers: Headers, pin: Pin) -> Headers:
    """Return changes of headers that give a pin to the client, beside others."""
    cookie = f"{pin.name}={pin.value}{pin.attributes}".replace("%", "%%")
    response = msgspec.structs.replace(headers.response, add=(*headers.response.add, ("set-cookie", cookie)))
    return msgspec.structs.replace(headers, response=response)
