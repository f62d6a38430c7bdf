"""Route -> Envoy Route: the action, its mirrors, and the per-route configuration of every HTTP filter."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.actions import Answer, Destination, Redirect
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import ClientKey, Scope, Visibility
from mirrorplane.api.routes import Forward, Route, Split
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.lookups.policies import target_port
from mirrorplane.translators.parts import balancing, headers, http_filters, matches, mirrors, retries
from mirrorplane.translators.parts.weights import independent
from mirrorplane.translators.settings import mesh

_INTERNAL_SERVER_ERROR = 500
# All that Envoy's RedirectAction has; Istio's validation allows any 3xx, and Gateway API these five.
REDIRECT_CODES = {
    301: envoy.RedirectAction.MOVED_PERMANENTLY,
    302: envoy.RedirectAction.FOUND,
    303: envoy.RedirectAction.SEE_OTHER,
    307: envoy.RedirectAction.TEMPORARY_REDIRECT,
    308: envoy.RedirectAction.PERMANENT_REDIRECT,
}
_DEFAULT_PORTS = {"http": 80, "https": 443}


class EncodedRoute(msgspec.Struct, frozen=True):
    """An encoded route. `dedicated` are the clusters that exist only for such routes: of mirrors, and `http2|...`."""

    body: bytes
    dedicated: tuple[str, ...] = ()


def encode_route(view: View, scope: Scope, route: Route, port: int) -> EncodedRoute:
    """Return a route as it is on a listener port, without the mirrors whose target is missing.

    Where a route has no destination, the proxy answers with the route's failure status, and nothing is copied.
    """
    body = envoy.Route(name=route.name, match=matches.route_match(route.match), stat_prefix=route.stat_prefix)
    action = route.action
    assert not isinstance(action, Split), "expanded before"
    if isinstance(action, Redirect):
        body.redirect.CopyFrom(_redirect(action, port))
    elif isinstance(action, Answer):
        body.direct_response.CopyFrom(_direct_response(action))
    elif not action.destinations:
        body.direct_response.status = action.failure
    else:
        body.route.CopyFrom(_forward(view, scope.client, action, port))
    only = route.destinations[0] if len(route.destinations) == 1 else None
    headers.apply(body, route.headers)
    if only is not None:
        # `cluster`, unlike an entry of `weighted_clusters`, has no headers of its own: after the rule's, as in Istio.
        headers.apply(body, only.headers)
    http_filters.apply(body, route)
    body.metadata.CopyFrom(_source(route.ref, route.path))
    mirror_clusters = (mirror.cluster for mirror in body.route.request_mirror_policies)
    return EncodedRoute(envoy.encode(body), (*mirror_clusters, *_http2_clusters(route)))


def default(view: View, scope: Scope, host: str, port: int) -> EncodedRoute:
    """Return the route of a service without rules: all requests go to it, with retries and no timeout (Istio)."""
    action = envoy.RouteAction(cluster=names.outbound(host, port))
    _hash_and_retry(view, scope.client, action, Forward((Destination(host, port=port),)), port)
    _set_timeout(action, 0)
    body = envoy.Route(name="default", match=envoy.RouteMatch(prefix="/"), route=action)
    return EncodedRoute(envoy.encode(body))


def _forward(view: View, client: ClientKey, forward: Forward, port: int) -> envoy.RouteAction:
    action = envoy.RouteAction()
    _choose_clusters(view, client.visibility, action, forward, port)
    for mirror in forward.mirrors:
        cluster = mirrors.target(view, client, mirror, port)
        if cluster is not None:
            action.request_mirror_policies.append(mirrors.policy(view, mirror, cluster))
    _rewrite(action, forward)
    _hash_and_retry(view, client, action, forward, port)
    _set_timeout(action, forward.timeout_ms)
    return action


def _set_timeout(action: envoy.RouteAction, timeout_ms: int) -> None:
    """Set the timeout; with 0 only a gRPC client's own deadline (`grpc-timeout`) limits a request.

    Never both: beside `max_stream_duration` Envoy 1.40 ignores `timeout`.
    """
    action.timeout.CopyFrom(envoy.duration(timeout_ms))
    if not timeout_ms:
        # 0 is "no upper limit on the client's value"; were it unset, Envoy would ignore the header.
        action.max_stream_duration.grpc_timeout_header_max.CopyFrom(envoy.duration(0))


def _choose_clusters(
    view: View, visibility: Visibility, action: envoy.RouteAction, forward: Forward, port: int
) -> None:
    """Set the clusters. An only destination gets everything, whatever its weight; of several, weight 0 gets nothing."""
    destinations = forward.destinations
    if forward.failure == _INTERNAL_SERVER_ERROR and any(destination.fails for destination in destinations):
        # Envoy's default is 503; Gateway API requires 500 for an invalid backendRef. See decision 0082.
        action.cluster_not_found_response_code = envoy.RouteAction.INTERNAL_SERVER_ERROR
    if len(destinations) == 1:
        action.cluster = _cluster(view, visibility, destinations[0], port)
        return
    # Weights as written could decide what is copied. See decision 0003.
    weights = independent([d.weight for d in destinations], [m.fraction for m in forward.mirrors])
    for destination, weight in zip(destinations, weights, strict=True):
        if weight:
            name = _cluster(view, visibility, destination, port)
            weighted = action.weighted_clusters.clusters.add(name=name, weight=envoy.UInt32Value(value=weight))
            headers.apply(weighted, destination.headers)
            if destination.rewrite_host:
                weighted.host_rewrite_literal = destination.rewrite_host


def _hash_and_retry(view: View, client: ClientKey, action: envoy.RouteAction, forward: Forward, port: int) -> None:
    """Set the hash policies and the retry policy; without one, the retry policy of the virtual host applies."""
    hashes = balancing.hashes(view, client, forward.destinations, port)
    if hashes:
        action.hash_policy.extend(hashes)
    # Istio keeps the predicate on weighted routes.
    hashed = bool(hashes) and len(forward.destinations) == 1
    if forward.retries is not None or hashed:
        action.retry_policy.CopyFrom(retries.policy(forward.retries or view.memo(mesh).retries, hashed=hashed))


def _cluster(view: View, visibility: Visibility, destination: Destination, port: int) -> str:
    if destination.fails:
        return names.MISSING_CLUSTER
    number = target_port(view, visibility, destination, port)
    return (names.http2 if destination.http2 else names.outbound)(destination.host, number, destination.subset)


def _http2_clusters(route: Route) -> Iterator[str]:
    """Yield the clusters of a route that speak HTTP/2 to ports which do not say so. See decision 0109."""
    ext_authz = (route.authorization.destination,) if route.authorization is not None else ()
    for destination in (*route.destinations, *ext_authz):
        if destination.http2 and not destination.fails:
            yield names.http2(destination.host, destination.port, destination.subset)


def _rewrite(action: envoy.RouteAction, forward: Forward) -> None:
    """Set path and host rewrites. A host for the rule takes precedence over one for its only destination (Istio)."""
    rewrite, destinations = forward.rewrite, forward.destinations
    # Of an exact match Envoy replaces the whole path with it, which is what Istio's `rewrite.uri` means.
    action.prefix_rewrite = rewrite.path
    if rewrite.pattern:
        action.regex_rewrite.pattern.regex = rewrite.pattern
        action.regex_rewrite.substitution = rewrite.substitution
    # Of several destinations, each has its own host in its weighted cluster.
    host = rewrite.host or (destinations[0].rewrite_host if len(destinations) == 1 else "")
    if host:
        action.host_rewrite_literal = host


def _redirect(redirect: Redirect, port: int) -> envoy.RedirectAction:
    """Return a redirect. A scheme's own port is left out of the Location (Istio), unless it replaces the client's."""
    action = envoy.RedirectAction(response_code=REDIRECT_CODES[redirect.code], host_redirect=redirect.host)
    if redirect.scheme:
        action.scheme_redirect = redirect.scheme
    if redirect.path:
        action.path_redirect = redirect.path
    elif redirect.prefix:
        action.prefix_rewrite = redirect.prefix
    elif redirect.pattern:
        action.regex_rewrite.pattern.regex = redirect.pattern
        action.regex_rewrite.substitution = redirect.substitution
    # Istio's FROM_REQUEST_PORT, and Gateway API's default, mean the port of the listener, not the one in Host.
    number = port if redirect.request_port else redirect.port
    if redirect.scheme_port or number != _DEFAULT_PORTS.get(redirect.scheme):
        action.port_redirect = number
    return action


def _direct_response(answer: Answer) -> envoy.DirectResponseAction:
    action = envoy.DirectResponseAction(status=answer.status)
    if answer.body:
        action.body.inline_bytes = answer.body
    return action


def _source(about: Ref, path: str) -> envoy.Metadata:
    """Put the object and field that a route comes from into its metadata, as Istio does."""
    group, _, kind = about.kind.rpartition("/")
    metadata = envoy.Metadata()
    config = f"/apis/{group}/namespaces/{about.namespace}/{kind}/{about.name}"
    metadata.filter_metadata["istio"].update({"config": config, "path": path})
    return metadata
