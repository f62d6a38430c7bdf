"""Redirects at one host: the port that a client said does not stay in the Location, where the rule says so.

Envoy keeps what the client sent unless it is given another host or port, and a scheme's own port should not be said.
"""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.actions import Redirect
from mirrorplane.api.matches import FieldMatch, Op, StringMatch
from mirrorplane.api.routes import Route

_WITH_PORT = FieldMatch(":authority", StringMatch(Op.REGEX, r".*:[0-9]+"))


def at_host(said: Route, host: str) -> Iterator[Route]:
    """Yield what a rule comes to at a host: a redirect to a scheme's own port never keeps the client's.

    A host that is known is said without a port. Behind a wildcard, clients who said a port are told the right one.
    """
    action = said.action
    if not isinstance(action, Redirect) or not action.own_port:
        yield said
        return
    plain = msgspec.structs.replace(action, own_port=False, port=0)
    if host.startswith("*"):
        headers = (*said.match.headers, _WITH_PORT)
        yield msgspec.structs.replace(said, match=msgspec.structs.replace(said.match, headers=headers))
        yield msgspec.structs.replace(said, action=plain)
    else:
        yield msgspec.structs.replace(said, action=msgspec.structs.replace(plain, host=host))
