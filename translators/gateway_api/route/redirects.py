"""HTTPRequestRedirectFilter -> Redirect."""

from mirrorplane.api.actions import Redirect
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.kinds.gateway_api.http_route import HTTPRouteMatch
from mirrorplane.translators.gateway_api.route.paths import new_path

_WELL_KNOWN = {"http": 80, "https": 443}


def redirect_of(said: gw.HTTPRequestRedirectFilter, match: HTTPRouteMatch, listener: tuple[str, int]) -> Redirect:
    """Return the redirect at a listener of some scheme and port.

    Gateway API: without a port it is that of the scheme, where one is said, else the listener's; a scheme's own port
    stays unsaid.
    """
    scheme, path = said.scheme or listener[0], new_path(said.path, match)
    port = said.port or (_WELL_KNOWN[said.scheme] if said.scheme else listener[1])
    plain = port == _WELL_KNOWN[scheme]
    return Redirect(
        code=said.status_code,
        host=said.hostname,
        path=path.whole,
        prefix=path.prefix,
        scheme=said.scheme or "",
        port=0 if plain and said.hostname else port,
        own_port=plain and not said.hostname,
        pattern=path.pattern,
        substitution=path.substitution,
    )
