"""LoadBalancer -> a cluster's load balancer, and what of requests is hashed for it."""

from collections.abc import Iterable

from mirrorplane.api.actions import Destination
from mirrorplane.api.cluster_policy import Algorithm, ClusterPolicy, HashKey, LoadBalancer, SlowStart
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups.policies import cluster_policy, policy, target_port
from mirrorplane.translators.names import ClusterName

_LARGEST_RING = 8 << 20
_RING = 1024
"""Istio's ring, where the rule says nothing."""
_EVENLY = 1.0
_POLICIES = {
    Algorithm.LEAST_REQUEST: envoy.Cluster.LEAST_REQUEST,
    Algorithm.ROUND_ROBIN: envoy.Cluster.ROUND_ROBIN,
    Algorithm.RANDOM: envoy.Cluster.RANDOM,
    Algorithm.RING_HASH: envoy.Cluster.RING_HASH,
    Algorithm.MAGLEV: envoy.Cluster.MAGLEV,
    Algorithm.ORIGINAL_DST: envoy.Cluster.CLUSTER_PROVIDED,
}


def algorithm(said: LoadBalancer | None) -> "envoy.Cluster.LbPolicy":
    """Return Envoy's name of the algorithm; least request is the default (Istio)."""
    return _POLICIES[said.algorithm if said else Algorithm.LEAST_REQUEST]


def tune(body: envoy.Cluster, said: ClusterPolicy) -> None:
    """Say how the algorithm works: table sizes, warming up, whether localities have weights."""
    balancing = said.load_balancer or LoadBalancer()
    if balancing.algorithm is Algorithm.RING_HASH:
        body.ring_hash_lb_config.minimum_ring_size.value = balancing.table_size or _RING
    elif balancing.algorithm is Algorithm.MAGLEV and balancing.table_size:
        body.maglev_lb_config.table_size.value = balancing.table_size
    elif balancing.slow_start is not None:
        config = (
            body.round_robin_lb_config if balancing.algorithm is Algorithm.ROUND_ROBIN else body.least_request_lb_config
        )
        config.slow_start_config.CopyFrom(_slow_start(balancing.slow_start))
    if said.weighs_localities:
        body.common_lb_config.locality_weighted_lb_config.SetInParent()


def hashes(
    view: View, client: ClientKey, to: Iterable[Destination], listener_port: int
) -> list[envoy.RouteAction.HashPolicy]:
    """Return what of a request is hashed, so that equal ones reach the same endpoint of these, each key once."""
    keys: dict[HashKey, None] = {}
    for destination in to:
        rules = view.memo(policy, client, destination.host)
        if rules is not None and not rules.defines_only_subsets:
            port = target_port(view, client.visibility, destination, listener_port)
            said = rules.cluster_policy(port, destination.subset).load_balancer
            if said is not None and said.hash_key is not None:
                keys[said.hash_key] = None
    return [_hash(key) for key in keys]


def hashes_source(view: View, client: ClientKey, to: ClusterName) -> bool:
    """Tell whether the client's address chooses the endpoint: all that there is to hash of what is not HTTP."""
    said = cluster_policy(view, client, to).load_balancer
    return said is not None and said.hash_key is not None and said.hash_key.source_ip


def _hash(said: HashKey) -> envoy.RouteAction.HashPolicy:
    body = envoy.RouteAction.HashPolicy()
    if said.header:
        body.header.header_name = said.header
    elif said.cookie:
        body.cookie.name, body.cookie.path = said.cookie, said.cookie_path
        if said.cookie_ttl_ms is not None:
            body.cookie.ttl.CopyFrom(envoy.duration(said.cookie_ttl_ms))
    elif said.query:
        body.query_parameter.name = said.query
    else:
        body.connection_properties.source_ip = True
    return body


def _slow_start(said: SlowStart) -> envoy.Cluster.SlowStartConfig:
    body = envoy.Cluster.SlowStartConfig(slow_start_window=envoy.duration(said.duration_ms))
    body.min_weight_percent.value = said.min_weight_percent
    if said.aggression != _EVENLY:
        body.aggression.CopyFrom(
            envoy.RuntimeDouble(default_value=said.aggression, runtime_key="upstream.slow_start.aggression")
        )
    return body
