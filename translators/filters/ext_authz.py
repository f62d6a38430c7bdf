"""Asking somebody else whether a request may go on: who is asked stands on the route, and no listener knows.

Envoy's filter reads whom to ask, and what to tell them, from its place in the chain, so that each new rule would make
listeners drain. A composite filter takes the whole of it from the route instead. It is asleep on all other routes, and
in every chain: a connection of before the first such route would have the route without the filter, and pass unasked.
"""

import re

from mirrorplane.api.actions import Authorization
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.contract import Filter, Slot

_PATIENCE_MS = 10_000
_SCHEME = "http://"
_EXT_AUTHZ = "envoy.filters.http.ext_authz"
_ABOUT_THE_ANSWER = ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "date")
_ABOUT_ITS_BODY = ("content-", "proxy-", "x-envoy-")


def chain(_: View, __: Scope) -> envoy.ExtensionWithMatcher:
    """Return the filter's configuration: nobody is asked."""
    body = envoy.ExtensionWithMatcher()
    body.extension_config.name = "composite"
    body.extension_config.typed_config.CopyFrom(envoy.packed(envoy.Composite()))
    _do(body.xds_matcher, "skip", envoy.SkipFilter())
    return body


def route(said: Route) -> envoy.ExtensionWithMatcherPerRoute | None:
    """Return who is asked about the requests of a route."""
    if said.authorization is None:
        return None
    asks = envoy.ExecuteFilterAction()
    asks.typed_config.name = _EXT_AUTHZ
    asks.typed_config.typed_config.CopyFrom(envoy.packed(_asking(said.authorization)))
    body = envoy.ExtensionWithMatcherPerRoute()
    _do(body.xds_matcher, "ask", asks)
    return body


def _do(matcher: envoy.Matcher, name: str, action: envoy.Message) -> None:
    matcher.on_no_match.action.name = name
    matcher.on_no_match.action.typed_config.CopyFrom(envoy.packed(action))


def _asking(said: Authorization) -> envoy.ExtAuthz:
    """Return the filter as it is on one route. Whom nobody answers for is refused (Gateway API)."""
    body = envoy.ExtAuthz(transport_api_version=envoy.ApiVersion.V3)
    to = said.destination
    cluster = (names.http2 if to.http2 else names.outbound)(to.host, to.port, to.subset)
    if said.grpc:
        body.grpc_service.envoy_grpc.cluster_name = cluster
        body.grpc_service.timeout.CopyFrom(envoy.duration(_PATIENCE_MS))
    else:
        _by_http(body.http_service, said, cluster)
    for name in said.headers:
        body.allowed_headers.patterns.add(exact=name, ignore_case=True)
    if said.max_body_bytes:
        body.with_request_body.max_request_bytes = said.max_body_bytes
    return body


def _by_http(body: envoy.HttpService, said: Authorization, cluster: str) -> None:
    body.server_uri.uri = f"{_SCHEME}{said.destination.host}"
    body.server_uri.cluster = cluster
    body.server_uri.timeout.CopyFrom(envoy.duration(_PATIENCE_MS))
    body.path_prefix = said.prefix
    passed = body.authorization_response.allowed_upstream_headers.patterns
    for name in said.upstream_headers:
        passed.add(exact=name, ignore_case=True)
    if not said.upstream_headers:
        passed.add(safe_regex=envoy.RegexMatcher(regex=_EVERY_OTHER))


def _others(words: tuple[str, ...], prefixes: tuple[str, ...]) -> str:
    """Return a regex of all names that are none of the words and begin with no prefix; RE2 cannot say "not"."""
    heads = sorted({text[0] for text in (*words, *prefixes) if text})
    ways = [f"[^{re.escape(''.join(heads))}].*"] if heads else [".+"]
    for head in heads:
        if head not in prefixes:
            left = tuple(word[1:] for word in words if word[:1] == head)
            more = tuple(prefix[1:] for prefix in prefixes if prefix[:1] == head)
            ways.append(re.escape(head) + _others(left, more))
    return f"(?:{'|'.join(ways)})" + ("" if "" in words else "?")


_EVERY_OTHER = _others(_ABOUT_THE_ANSWER, _ABOUT_ITS_BODY)

FILTER = Filter(
    slot=Slot.AUTHORIZATION, name="envoy.filters.http.match_delegate", chain=chain, route=route, asleep=True
)
