"""Where a redirect leads to."""

from mirrorplane.api.tracing import Request
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.paths import substituted, with_prefix
from mirrorplane.translators.parts import actions

CODES = {envoys: code for code, envoys in actions.REDIRECT_CODES.items()}
"""HTTP status by Envoy's name for it."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def location(said: envoy.RedirectAction, match: envoy.RouteMatch, request: Request) -> str:
    """Return the Location: what is not said stays as the client said it."""
    scheme = said.scheme_redirect or ("https" if said.https_redirect else request.scheme)
    port = f":{said.port_redirect}" if said.port_redirect else ""
    host = said.host_redirect or _host(request, scheme, port)
    return f"{scheme}://{host}{port}{_path(said, match, request.path)}"


def _host(request: Request, scheme: str, port: str) -> str:
    """Return the request's host; its port goes when there is a new one, or was that of the scheme left (Envoy)."""
    authority = request.authority
    at = authority.rfind("]:") + 1 if authority.startswith("[") else authority.rfind(":")
    if at <= 0:
        return authority
    said = dict(request.headers).get("x-forwarded-proto", request.scheme)
    left = scheme != said and authority[at:] == _DEFAULT_PORTS.get(said)
    return authority[:at] if port or left else authority


def _path(said: envoy.RedirectAction, match: envoy.RouteMatch, path: str) -> str:
    bare, mark, query = path.partition("?")
    kept = "" if said.strip_query else mark + query
    kind = said.WhichOneof("path_rewrite_specifier")
    if kind == "path_redirect" and said.path_redirect:
        whole = str(said.path_redirect)
        return whole if "?" in whole else whole + kept
    if kind == "prefix_rewrite":
        return with_prefix(match, bare, said.prefix_rewrite) + kept
    if kind == "regex_rewrite":
        return substituted(said.regex_rewrite.pattern.regex, said.regex_rewrite.substitution, bare) + kept
    return bare + kept
