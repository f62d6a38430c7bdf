"""Redirects whose Location must not keep the port that the client wrote.

Envoy keeps the request's authority, port included, unless it is given another host or port; and a scheme's own port
should not be written out (Gateway API). Which of the two applies depends on the virtual host.
"""

import msgspec

from mirrorplane.api.actions import Redirect
from mirrorplane.api.matches import FieldMatch, Op, StringMatch
from mirrorplane.api.routes import Route

_WITH_PORT = FieldMatch(":authority", StringMatch(Op.REGEX, r".*:[0-9]+"))


def expand_host_redirect(route: Route, host: str) -> tuple[Route, ...]:
    """Return what a redirect to a scheme's own port becomes at a host.

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
