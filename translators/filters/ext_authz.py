"""External authorization (ext_authz), configured per route, so that listeners never change with it.

Envoy's ext_authz reads which service to call from its place in the chain, so each new rule would drain listeners. A
composite filter takes the whole of it from the route instead. It is in every chain, disabled: a connection that is
older than the first such route would otherwise have the route without the filter, and let requests in unchecked. See
decisions 0107 and 0110.
"""

import re

from mirrorplane.api.actions import Authorization
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.contract import Filter, Slot

# Envoy's default, 200 ms, would deny requests whenever the server is slow for once.
_TIMEOUT_MS = 10_000
_SCHEME = "http://"
_EXT_AUTHZ = "envoy.filters.http.ext_authz"
# What belongs to one connection (RFC 9110, section 7.6.1), or to the answer itself.
_CONNECTION_HEADERS = ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "date")
_BODY_AND_PROXY_PREFIXES = ("content-", "proxy-", "x-envoy-")


def chain(_: View, __: Scope) -> envoy.ExtensionWithMatcher:
    """Return the filter's configuration in the chain: no service is called."""
    body = envoy.ExtensionWithMatcher()
    body.extension_config.name = "composite"
    body.extension_config.typed_config.CopyFrom(envoy.packed(envoy.Composite()))
    _set_action(body.xds_matcher, "skip", envoy.SkipFilter())
    return body


def route(route: Route) -> envoy.ExtensionWithMatcherPerRoute | None:
    """Return the authorization service of a route; None where it has none."""
    if route.authorization is None:
        return None
    execute = envoy.ExecuteFilterAction()
    execute.typed_config.name = _EXT_AUTHZ
    execute.typed_config.typed_config.CopyFrom(envoy.packed(_ext_authz(route.authorization)))
    body = envoy.ExtensionWithMatcherPerRoute()
    _set_action(body.xds_matcher, "ask", execute)
    return body


def _set_action(matcher: envoy.Matcher, name: str, action: envoy.Message) -> None:
    """Have a matcher do the same for all requests: it has no conditions, so nothing ever matches."""
    matcher.on_no_match.action.name = name
    matcher.on_no_match.action.typed_config.CopyFrom(envoy.packed(action))


def _ext_authz(authorization: Authorization) -> envoy.ExtAuthz:
    """Return the filter of one route. A request without an answer is denied (Gateway API, and Envoy's default)."""
    body = envoy.ExtAuthz(transport_api_version=envoy.ApiVersion.V3)
    destination = authorization.destination
    cluster_name = names.http2 if destination.http2 else names.outbound
    cluster = cluster_name(destination.host, destination.port, destination.subset)
    if authorization.grpc:
        body.grpc_service.envoy_grpc.cluster_name = cluster
        body.grpc_service.timeout.CopyFrom(envoy.duration(_TIMEOUT_MS))
    else:
        _call_by_http(body.http_service, authorization, cluster)
    for name in authorization.headers:
        body.allowed_headers.patterns.add(exact=name, ignore_case=True)
    if authorization.max_body_bytes:
        body.with_request_body.max_request_bytes = authorization.max_body_bytes
    return body


def _call_by_http(body: envoy.HttpService, authorization: Authorization, cluster: str) -> None:
    body.server_uri.uri = f"{_SCHEME}{authorization.destination.host}"
    body.server_uri.cluster = cluster
    body.server_uri.timeout.CopyFrom(envoy.duration(_TIMEOUT_MS))
    body.path_prefix = authorization.prefix
    patterns = body.authorization_response.allowed_upstream_headers.patterns
    for name in authorization.upstream_headers:
        patterns.add(exact=name, ignore_case=True)
    if not authorization.upstream_headers:
        # Gateway API: all headers of the answer; those of its connection and body would break the request.
        patterns.add(safe_regex=envoy.RegexMatcher(regex=_ANY_OTHER_HEADER))


def _none_of(words: tuple[str, ...], prefixes: tuple[str, ...]) -> str:
    """Return a regex of all names that are none of the words and have none of the prefixes.

    RE2 has no negative lookahead, so the regex spells out, letter by letter, where a name leaves the words.
    """
    heads = sorted({text[0] for text in (*words, *prefixes) if text})
    branches = [f"[^{re.escape(''.join(heads))}].*"] if heads else [".+"]
    for head in heads:
        if head not in prefixes:
            tails = tuple(word[1:] for word in words if word[:1] == head)
            prefix_tails = tuple(prefix[1:] for prefix in prefixes if prefix[:1] == head)
            branches.append(re.escape(head) + _none_of(tails, prefix_tails))
    return f"(?:{'|'.join(branches)})" + ("" if "" in words else "?")


_ANY_OTHER_HEADER = _none_of(_CONNECTION_HEADERS, _BODY_AND_PROXY_PREFIXES)

FILTER = Filter(
    slot=Slot.AUTHORIZATION,
    name="envoy.filters.http.match_delegate",
    chain=chain,
    route=route,
    disabled_by_default=True,
)
