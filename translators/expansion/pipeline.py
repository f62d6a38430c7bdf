"""The passes in their order, and the one place where routes of all APIs run through them.

A route says what is wanted; Envoy's routes can say less. What does not fit into one of them becomes several here, so
that lowering stays free of Envoy's limits and every API gets the same treatment. A pass reads only the `Route`: what
it needs stands there as data (`Split`, `Branch.pin`, `Mirror.mark`, `Cors.unmatched_preflights`,
`Redirect.scheme_port`).

`expand` is called where a virtual host is built, after Gateway API's precedence was decided on the routes as written:
routes that come from one keep its place. It is not memoised itself. Its callers are (per virtual host, or partition of
one), so a change expands only the routes of the hosts that it touches; a plain route costs a few µs.

A new pass is one file and one line here. Twins for methods ("mirror safe methods only") and sticky sampling belong
before the split, since both narrow the match of a whole route; comparison (MirrorPolicy) belongs after it.
"""

from collections.abc import Callable, Iterable

import msgspec

from mirrorplane.api.actions import Redirect
from mirrorplane.api.matches import FieldMatch, Op, StringMatch
from mirrorplane.api.routes import Route
from mirrorplane.translators.expansion.preflights import expand_preflights
from mirrorplane.translators.expansion.returning_copies import expand_returning_copies
from mirrorplane.translators.expansion.session_pins import expand_session_pins
from mirrorplane.translators.expansion.weighted_split import expand_split

# Virtual hosts ignore the port of Host (`ignore_port_in_host_matching`), but this header is matched as it was sent.
_WITH_PORT = FieldMatch(":authority", StringMatch(Op.REGEX, r".*:[0-9]+"))

Pass = Callable[[Route], Iterable[Route]]

_PASSES: tuple[Pass, ...] = (
    expand_preflights,  # first: a preflight is answered by the proxy, so it is never split or pinned
    expand_returning_copies,  # before the split: the route for copies is split as well
    expand_session_pins,  # before the split: the branches that a pin selects are those of the split
    expand_split,
)


def expand(route: Route, host: str) -> tuple[Route, ...]:
    """Return the routes that stand for one in the virtual host of a domain, in order; `*` for one of several names."""
    routes = [route]
    for apply in _PASSES:
        routes = [result for source in routes for result in apply(source)]
    return tuple(result for source in routes for result in _expand_host_redirect(source, host))


def _expand_host_redirect(route: Route, host: str) -> tuple[Route, ...]:
    """Return what a redirect to a scheme's own port becomes at a host: its Location keeps no port of the client's.

    Envoy keeps the request's authority, port included, unless the redirect sets another host or port, and a scheme's
    own port should not be written out (Gateway API). Which of the two applies depends on the virtual host, so this is
    no `Pass`.

    A known host is written into the Location without a port. Behind a wildcard it is unknown, so there are two routes:
    clients that wrote a port get the scheme's own one, and the others none.
    """
    redirect = route.action
    if not isinstance(redirect, Redirect) or not redirect.scheme_port:
        return (route,)
    portless = msgspec.structs.replace(redirect, scheme_port=False, port=0)
    if not host.startswith("*"):
        return (msgspec.structs.replace(route, action=msgspec.structs.replace(portless, host=host)),)
    match = msgspec.structs.replace(route.match, headers=(*route.match.headers, _WITH_PORT))
    return msgspec.structs.replace(route, match=match), msgspec.structs.replace(route, action=portless)
