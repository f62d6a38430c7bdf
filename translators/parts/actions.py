"""Route -> Envoy Route: destinations by weight, copies, timeout, retries."""

import msgspec

from api.meta import Ref
from api.proxy import Scope
from api.routes import Destination, Route
from api.view import View
from translators import envoy, names
from translators.lookups import target_port
from translators.parts import matches, mirrors
from translators.parts.weights import independent

_NOTHING_TO_ANSWER = 500
_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"


class Built(msgspec.Struct, frozen=True):
    """An encoded route and the clusters its copies go to."""

    body: bytes
    copies: tuple[str, ...] = ()


def route(view: View, scope: Scope, said: Route, about: Ref, port: int) -> Built:
    """Return a rule as it holds on a listener port; mirrors whose target is missing are left out.

    A rule without destinations is answered 500, and nothing is copied.
    """
    if not said.destinations:
        answer = envoy.DirectResponseAction(status=_NOTHING_TO_ANSWER)
        body = envoy.Route(name=said.name, match=matches.route_match(said.match), direct_response=answer)
        return Built(envoy.encode(body))
    action = _action(view, scope.namespace, said, port)
    for mirror in said.mirrors:
        cluster = mirrors.target(view, scope.namespace, mirror.destination, port)
        if cluster is not None:
            action.request_mirror_policies.append(mirrors.policy(mirror, cluster))
    action.timeout.CopyFrom(envoy.duration(said.timeout_ms))
    action.max_stream_duration.grpc_timeout_header_max.CopyFrom(envoy.duration(said.timeout_ms))
    body = envoy.Route(
        name=said.name, match=matches.route_match(said.match), route=action, metadata=_source(about, said.path)
    )
    return Built(envoy.encode(body), tuple(p.cluster for p in action.request_mirror_policies))


def default(host: str, port: int) -> Built:
    """Return the route of a service nobody wrote rules for: everything goes to it, retried, without timeout (Istio)."""
    action = envoy.RouteAction(cluster=names.outbound(host, port), timeout=envoy.duration(0))
    action.max_stream_duration.grpc_timeout_header_max.CopyFrom(envoy.duration(0))
    body = envoy.Route(name="default", match=envoy.RouteMatch(prefix="/"), route=action)
    return Built(envoy.encode(body))


def retries() -> envoy.RetryPolicy:
    """Return Istio's default: two more tries, elsewhere, when nothing can have happened yet. Copies are not retried."""
    predicate = envoy.RetryPolicy.RetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts", typed_config=envoy.packed(envoy.PreviousHostsPredicate())
    )
    return envoy.RetryPolicy(
        retry_on=_RETRY_ON,
        num_retries=envoy.UInt32Value(value=2),
        retry_host_predicate=[predicate],
        host_selection_retry_max_attempts=5,
    )


def _action(view: View, namespace: str, said: Route, port: int) -> envoy.RouteAction:
    action, to = envoy.RouteAction(), said.destinations
    if len(to) == 1:
        action.cluster = _cluster(view, namespace, to[0], port)
        return action
    shares = independent([d.weight for d in to], [m.fraction for m in said.mirrors])
    for destination, share in zip(to, shares, strict=True):
        if share:
            name = _cluster(view, namespace, destination, port)
            action.weighted_clusters.clusters.add(name=name, weight=envoy.UInt32Value(value=share))
    return action


def _cluster(view: View, namespace: str, to: Destination, port: int) -> str:
    return names.outbound(to.host, target_port(view, namespace, to, port), to.subset)


def _source(about: Ref, path: str) -> envoy.Metadata:
    """Say in the configuration itself where a route comes from."""
    group, _, kind = about.kind.rpartition("/")
    metadata = envoy.Metadata()
    where = f"/apis/{group}/namespaces/{about.namespace}/{kind}/{about.name}"
    metadata.filter_metadata["istio"].update({"config": where, "path": path})
    return metadata
