"""Mirror -> RequestMirrorPolicy, and the guarded cluster the copies go to.

A mirror is not fire-and-forget in Envoy: a target that stops reading stops the client's upload, and one that takes live
traffic as well shares its circuit breakers with the copies. So every target gets a cluster of its own whose limits make
a copy be dropped before it can push back.
"""

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.cluster_policy import ClusterPolicy
from mirrorplane.api.mirrors import Guards, Mirror
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.lookups.policies import no_mirror, target_port

BODY_SIZE_LIMIT = "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit"


def target(view: View, client: ClientKey, to: Destination, listener_port: int) -> str | None:
    """Return the name of the cluster for copies to a destination; None when a part of the destination is missing.

    A missing mirror is dropped here and reported by the check of mirrors; the route it is on does not notice.
    """
    port = target_port(view, client.visibility, to, listener_port)
    if no_mirror(view, client, to, port) is not None:
        return None
    return names.mirror(to.host, port, to.subset, http2=to.http2)


def policy(mirror: Mirror, cluster: str) -> envoy.RouteAction.RequestMirrorPolicy:
    """Return Envoy's mirror policy.

    The denominator is always MILLION: Envoy draws one random number for cluster weights and mirrors, and with weights
    that sum to 100, `10/HUNDRED` would copy only what went to the first destination.
    """
    share = envoy.share(mirror.fraction)
    return envoy.RouteAction.RequestMirrorPolicy(
        cluster=cluster,
        runtime_fraction=envoy.RuntimeFractionalPercent(default_value=share),
        trace_sampled=envoy.BoolValue(value=False),
        disable_shadow_host_suffix_append=not mirror.shadow_suffix,
        host_rewrite_literal=mirror.host,
    )


def guard(cluster: envoy.Cluster, http: envoy.UpstreamHttp, guards: Guards) -> None:
    """Put the guards on a mirror's cluster and its HTTP options. A limit that is tighter already stays.

    The buffers hold the largest body of every copy that may be under way, so that no copy ever pushes back on the
    request it was made from; the body limit and the circuit breaker bound what that can cost.
    """
    connect_ms = min(cluster.connect_timeout.ToMilliseconds(), guards.connect_timeout_ms)
    cluster.connect_timeout.CopyFrom(envoy.duration(connect_ms))
    cluster.per_connection_buffer_limit_bytes.CopyFrom(envoy.UInt32Value(value=guards.buffer_bytes))
    for limits in cluster.circuit_breakers.thresholds:
        _tighten(limits, guards.max_requests)
    http.common_http_protocol_options.max_stream_duration.CopyFrom(envoy.duration(guards.deadline_ms))
    limit = envoy.typed_struct(BODY_SIZE_LIMIT, {"max_request_bytes": guards.max_body_bytes})
    http.http_filters.extend(
        [
            envoy.HttpFilter(name="envoy.filters.http.body_size_limit", typed_config=limit),
            envoy.HttpFilter(
                name="envoy.filters.http.upstream_codec", typed_config=envoy.packed(envoy.UpstreamCodec())
            ),
        ]
    )


def named(said: ClusterPolicy, host: str) -> ClusterPolicy:
    """Return how copies are made to a host by TLS: the server's name is the host's own where the rule names none.

    A copy's Host is that of the request it was made from, perhaps with Envoy's `-shadow`, so it is not the server's.
    """
    if said.tls is None or said.tls.sni or host.startswith("*"):
        return said
    names = said.tls.names or ((host,) if said.tls.verify else ())
    return msgspec.structs.replace(said, tls=msgspec.structs.replace(said.tls, sni=host, names=names))


def _tighten(limits: envoy.CircuitBreakers.Thresholds, most: int) -> None:
    """Lower the limits to those of copies, which are never retried."""
    for limit in (limits.max_connections, limits.max_pending_requests, limits.max_requests):
        limit.value = min(limit.value, most)
    limits.max_retries.value = 0
    limits.ClearField("retry_budget")
