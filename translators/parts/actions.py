"""Route -> Envoy Route: what is done with requests that match, and every filter's say about them."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.actions import Answer, Destination, Redirect
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import ClientKey, Scope, Visibility
from mirrorplane.api.routes import Forward, Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.lookups.policies import target_port
from mirrorplane.translators.parts import balancing, headers, http_filters, matches, mirrors, retries
from mirrorplane.translators.parts.weights import independent
from mirrorplane.translators.settings import mesh

_FAILED = 500
CODES = {
    301: envoy.RedirectAction.MOVED_PERMANENTLY,
    302: envoy.RedirectAction.FOUND,
    303: envoy.RedirectAction.SEE_OTHER,
    307: envoy.RedirectAction.TEMPORARY_REDIRECT,
    308: envoy.RedirectAction.PERMANENT_REDIRECT,
}
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Built(msgspec.Struct, frozen=True):
    """An encoded route, and the clusters that are only there for such routes: of copies, and of HTTP/2 where needed."""

    body: bytes
    copies: tuple[str, ...] = ()


def route(view: View, scope: Scope, said: Route, port: int) -> Built:
    """Return a rule as it holds on a listener port; mirrors whose target is missing are left out.

    Where a rule sends requests on to no destination, the proxy answers, and nothing is copied.
    """
    body = envoy.Route(name=said.name, match=matches.route_match(said.match), stat_prefix=said.stat_prefix)
    action = said.action
    if isinstance(action, Redirect):
        body.redirect.CopyFrom(_redirect(action, port))
    elif isinstance(action, Answer):
        body.direct_response.CopyFrom(_answer(action))
    elif not action.destinations:
        body.direct_response.status = action.failure
    else:
        body.route.CopyFrom(_forward(view, scope.client, action, port))
    only = said.destinations[0] if len(said.destinations) == 1 else None
    headers.apply(body, said.headers)
    if only is not None:
        headers.apply(body, only.headers)
    http_filters.apply(body, said)
    body.metadata.CopyFrom(_source(said.ref, said.path))
    return Built(envoy.encode(body), (*(p.cluster for p in body.route.request_mirror_policies), *_by_http2(said)))


def default(view: View, scope: Scope, host: str, port: int) -> Built:
    """Return the route of a service nobody wrote rules for: everything goes to it, retried, without timeout (Istio)."""
    action = envoy.RouteAction(cluster=names.outbound(host, port))
    _balance(view, scope.client, action, Forward((Destination(host, port=port),)), port)
    _limit(action, 0)
    body = envoy.Route(name="default", match=envoy.RouteMatch(prefix="/"), route=action)
    return Built(envoy.encode(body))


def _forward(view: View, client: ClientKey, said: Forward, port: int) -> envoy.RouteAction:
    action = envoy.RouteAction()
    _send(view, client.visibility, action, said, port)
    for mirror in said.mirrors:
        cluster = mirrors.target(view, client, mirror.destination, port)
        if cluster is not None:
            action.request_mirror_policies.append(mirrors.policy(mirror, cluster))
    _rewrite(action, said)
    _balance(view, client, action, said, port)
    _limit(action, said.timeout_ms)
    return action


def _limit(action: envoy.RouteAction, milliseconds: int) -> None:
    """Say how long a request may take; 0 is as long as a gRPC client itself says, and else for ever.

    Never both: beside `max_stream_duration` Envoy 1.40 forgets `timeout`.
    """
    action.timeout.CopyFrom(envoy.duration(milliseconds))
    if not milliseconds:
        action.max_stream_duration.grpc_timeout_header_max.CopyFrom(envoy.duration(0))


def _send(view: View, visibility: Visibility, action: envoy.RouteAction, said: Forward, port: int) -> None:
    """Say where requests go. One destination gets all, whatever its weight; of several, one of weight 0 gets none."""
    to = said.destinations
    if said.failure == _FAILED and any(destination.fails for destination in to):
        action.cluster_not_found_response_code = envoy.RouteAction.INTERNAL_SERVER_ERROR
    if len(to) == 1:
        action.cluster = _cluster(view, visibility, to[0], port)
        return
    shares = independent([d.weight for d in to], [m.fraction for m in said.mirrors])
    for destination, share in zip(to, shares, strict=True):
        if share:
            name = _cluster(view, visibility, destination, port)
            chosen = action.weighted_clusters.clusters.add(name=name, weight=envoy.UInt32Value(value=share))
            headers.apply(chosen, destination.headers)
            if destination.rewrite_host:
                chosen.host_rewrite_literal = destination.rewrite_host


def _balance(view: View, client: ClientKey, action: envoy.RouteAction, said: Forward, port: int) -> None:
    """Say what is hashed and when to try again. The virtual host's retries hold where nothing special is asked for."""
    hashes = balancing.hashes(view, client, said.destinations, port)
    if hashes:
        action.hash_policy.extend(hashes)
    pinned = bool(hashes) and len(said.destinations) == 1
    if said.retries is not None or pinned:
        action.retry_policy.CopyFrom(retries.policy(said.retries or view.memo(mesh).retries, hashed=pinned))


def _cluster(view: View, visibility: Visibility, to: Destination, port: int) -> str:
    if to.fails:
        return names.NOWHERE
    number = target_port(view, visibility, to, port)
    return (names.http2 if to.http2 else names.outbound)(to.host, number, to.subset)


def _by_http2(said: Route) -> Iterator[str]:
    """Yield the clusters of a route that speak HTTP/2 to ports which do not say so."""
    asked = (said.authorization.destination,) if said.authorization is not None else ()
    for to in (*said.destinations, *asked):
        if to.http2 and not to.fails:
            yield names.http2(to.host, to.port, to.subset)


def _rewrite(action: envoy.RouteAction, said: Forward) -> None:
    """Say what is changed. A host for the rule goes before one for its only destination (Istio)."""
    rewrite, to = said.rewrite, said.destinations
    action.prefix_rewrite = rewrite.path
    if rewrite.pattern:
        action.regex_rewrite.pattern.regex = rewrite.pattern
        action.regex_rewrite.substitution = rewrite.substitution
    host = rewrite.host or (to[0].rewrite_host if len(to) == 1 else "")
    if host:
        action.host_rewrite_literal = host


def _redirect(said: Redirect, port: int) -> envoy.RedirectAction:
    """Return a redirect. A scheme's own port is not said (Istio), unless it must not be the client's."""
    action = envoy.RedirectAction(response_code=CODES[said.code], host_redirect=said.host)
    if said.scheme:
        action.scheme_redirect = said.scheme
    if said.path:
        action.path_redirect = said.path
    elif said.prefix:
        action.prefix_rewrite = said.prefix
    elif said.pattern:
        action.regex_rewrite.pattern.regex = said.pattern
        action.regex_rewrite.substitution = said.substitution
    number = port if said.same_port else said.port
    if said.own_port or number != _DEFAULT_PORTS.get(said.scheme):
        action.port_redirect = number
    return action


def _answer(said: Answer) -> envoy.DirectResponseAction:
    action = envoy.DirectResponseAction(status=said.status)
    if said.body:
        action.body.inline_bytes = said.body
    return action


def _source(about: Ref, path: str) -> envoy.Metadata:
    """Say in the configuration itself where a route comes from."""
    group, _, kind = about.kind.rpartition("/")
    metadata = envoy.Metadata()
    where = f"/apis/{group}/namespaces/{about.namespace}/{kind}/{about.name}"
    metadata.filter_metadata["istio"].update({"config": where, "path": path})
    return metadata
