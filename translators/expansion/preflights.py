"""CORS preflights that Envoy's filter would not answer as Gateway API wants, as routes of their own.

Gateway API: an origin that is not allowed learns nothing. Envoy's filter answers it with everything but the origin
itself, so such preflights are refused before they reach it.
"""

import msgspec

from mirrorplane.api.actions import Answer, Redirect, UnmatchedPreflights
from mirrorplane.api.matches import FieldMatch, Op, StringMatch
from mirrorplane.api.routes import Forward, Route, Split

# Gateway API allows 200, 204 and 403, without CORS headers.
_REFUSED = 403
_ALL = "*"
_PREFLIGHT = (
    FieldMatch(":method", StringMatch(Op.EXACT, "OPTIONS")),
    FieldMatch("access-control-request-method", StringMatch(Op.PRESENT)),
    FieldMatch("origin", StringMatch(Op.PRESENT)),
)
_NO_HEADERS_REQUESTED = FieldMatch("access-control-request-headers", StringMatch(Op.PRESENT), invert=True)


def expand_preflights(route: Route) -> tuple[Route, ...]:
    """Return the route, and before it those that answer preflights which Envoy's filter must not see as they are."""
    cors = route.cors
    if cors is None or cors.unmatched_preflights is not UnmatchedPreflights.REFUSE:
        return (route,)
    other_origins = tuple(FieldMatch("origin", origin, invert=True) for origin in cors.origins)
    refused = msgspec.structs.replace(
        _narrowed(route, (*_PREFLIGHT, *other_origins)),
        action=Answer(_REFUSED),
        cors=None,
        authorization=None,
        session=None,
    )
    if not (cors.credentials and _ALL in cors.headers):
        return refused, route
    # With credentials Envoy echoes the headers that a preflight requests, and for none it sends the name without value.
    silent = msgspec.structs.replace(
        _narrowed(route, (*_PREFLIGHT, _NO_HEADERS_REQUESTED)),
        action=_any_branch(route),
        cors=msgspec.structs.replace(cors, headers=()),
    )
    return refused, silent, route


def _narrowed(route: Route, headers: tuple[FieldMatch, ...]) -> Route:
    match = msgspec.structs.replace(route.match, headers=(*route.match.headers, *headers))
    return msgspec.structs.replace(route, match=match)


def _any_branch(route: Route) -> Forward | Redirect | Answer:
    """Return an action that needs no split: the filter answers, so it is never taken, and nothing is copied."""
    action = route.action.branches[-1].action if isinstance(route.action, Split) else route.action
    return msgspec.structs.replace(action, mirrors=()) if isinstance(action, Forward) else action
