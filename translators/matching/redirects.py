"""The Location of a redirect."""

from mirrorplane.api.tracing import Request
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.paths import replace_prefix, replace_regex
from mirrorplane.translators.parts import actions

CODES = {envoys: code for code, envoys in actions.REDIRECT_CODES.items()}
"""HTTP status by Envoy's name for it."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def location(redirect: envoy.RedirectAction, match: envoy.RouteMatch, request: Request) -> str:
    """Return the Location; parts that the redirect leaves unset come from the request."""
    scheme = redirect.scheme_redirect or ("https" if redirect.https_redirect else request.scheme)
    port = f":{redirect.port_redirect}" if redirect.port_redirect else ""
    host = redirect.host_redirect or _host(request, scheme, port)
    return f"{scheme}://{host}{port}{_path(redirect, match, request.path)}"


def _host(request: Request, scheme: str, port: str) -> str:
    """Return the request's host. Envoy drops its port for a new one, or if it is the default of the old scheme."""
    authority = request.authority
    colon = authority.rfind("]:") + 1 if authority.startswith("[") else authority.rfind(":")
    if colon <= 0:
        return authority
    old_scheme = dict(request.headers).get("x-forwarded-proto", request.scheme)
    is_default = scheme != old_scheme and authority[colon:] == _DEFAULT_PORTS.get(old_scheme)
    return authority[:colon] if port or is_default else authority


def _path(redirect: envoy.RedirectAction, match: envoy.RouteMatch, path: str) -> str:
    bare, mark, query = path.partition("?")
    suffix = "" if redirect.strip_query else mark + query
    kind = redirect.WhichOneof("path_rewrite_specifier")
    if kind == "path_redirect" and redirect.path_redirect:
        new_path = str(redirect.path_redirect)
        return new_path if "?" in new_path else new_path + suffix
    if kind == "prefix_rewrite":
        return replace_prefix(match, bare, redirect.prefix_rewrite) + suffix
    if kind == "regex_rewrite":
        rewrite = redirect.regex_rewrite
        return replace_regex(rewrite.pattern.regex, rewrite.substitution, bare) + suffix
    return bare + suffix
