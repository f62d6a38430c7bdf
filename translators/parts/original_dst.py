"""Routes for those who dialled one service, on a listener where others arrive too (see chains.tells_dialled)."""

import re
from collections.abc import Iterator, Sequence

from mirrorplane.translators import envoy
from mirrorplane.translators.names import ORIGINAL_DST
from mirrorplane.translators.parts.actions import EncodedRoute

_NO_RULE = 404


def dialled_only(said: Sequence[EncodedRoute], addresses: Sequence[str]) -> Iterator[bytes]:
    """Yield the routes, each for requests to these addresses alone, and at last an answer for what none has taken."""
    only = _any_of(addresses)
    rest = envoy.Route(match=envoy.RouteMatch(prefix="/"))
    rest.direct_response.status = _NO_RULE
    for route in (*(envoy.Route.FromString(built.body) for built in said), rest):
        route.match.filter_state.append(only)
        yield envoy.encode(route)


def _any_of(addresses: Sequence[str]) -> envoy.FilterStateMatcher:
    found = envoy.FilterStateMatcher(key=ORIGINAL_DST)
    if len(addresses) == 1:
        found.string_match.exact = addresses[0]
    else:
        found.string_match.safe_regex.regex = "|".join(map(re.escape, addresses))
    return found
