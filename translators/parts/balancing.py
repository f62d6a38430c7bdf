"""LoadBalancer -> a cluster's load balancer, and the hash policies of routes to it."""

from collections.abc import Iterable

from mirrorplane.api.actions import Destination
from mirrorplane.api.cluster_policy import Algorithm, ClusterPolicy, HashKey, LoadBalancer, SlowStart, Utilization
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups.policies import cluster_policy, find_policy, target_port
from mirrorplane.translators.names import ClusterName

_DEFAULT_RING_SIZE = 1024
"""Istio's minimum ring size, where the rule sets none."""
_LINEAR = 1.0
_POLICIES = {
    Algorithm.LEAST_REQUEST: envoy.Cluster.LEAST_REQUEST,
    Algorithm.ROUND_ROBIN: envoy.Cluster.ROUND_ROBIN,
    Algorithm.RANDOM: envoy.Cluster.RANDOM,
    Algorithm.RING_HASH: envoy.Cluster.RING_HASH,
    Algorithm.MAGLEV: envoy.Cluster.MAGLEV,
    Algorithm.ORIGINAL_DST: envoy.Cluster.CLUSTER_PROVIDED,
}


def algorithm(load_balancer: LoadBalancer | None) -> "envoy.Cluster.LbPolicy":
    """Return Envoy's name of the algorithm; least request is the default (Istio)."""
    return _POLICIES[load_balancer.algorithm if load_balancer else Algorithm.LEAST_REQUEST]


def tune(body: envoy.Cluster, policy: ClusterPolicy) -> None:
    """Set the parameters of the algorithm: table sizes, slow start, weights of localities."""
    balancing = policy.load_balancer or LoadBalancer()
    if balancing.utilization is not None:
        # It supersedes the algorithm, and Envoy rejects it beside weights of localities (measured).
        config = body.load_balancing_policy.policies.add().typed_extension_config
        config.name = "envoy.load_balancing_policies.client_side_weighted_round_robin"
        config.typed_config.CopyFrom(envoy.packed(_by_utilization(balancing.utilization)))
        return
    if balancing.algorithm is Algorithm.RING_HASH:
        body.ring_hash_lb_config.minimum_ring_size.value = balancing.table_size or _DEFAULT_RING_SIZE
    # Where the rule sets none, Envoy's own table size applies: 65,537.
    elif balancing.algorithm is Algorithm.MAGLEV and balancing.table_size:
        body.maglev_lb_config.table_size.value = balancing.table_size
    elif balancing.slow_start is not None:
        config = (
            body.round_robin_lb_config if balancing.algorithm is Algorithm.ROUND_ROBIN else body.least_request_lb_config
        )
        config.slow_start_config.CopyFrom(_slow_start(balancing.slow_start))
    if policy.weighs_localities:
        # Without it Envoy ignores the weights of localities, and `distribute` would do nothing.
        body.common_lb_config.locality_weighted_lb_config.SetInParent()


def hashes(
    view: View, client: ClientKey, destinations: Iterable[Destination], listener_port: int
) -> list[envoy.RouteAction.HashPolicy]:
    """Return the hash policies of a route, each key once. Equal requests reach the same endpoint of a destination."""
    keys: dict[HashKey, None] = {}
    for destination in destinations:
        rules = view.memo(find_policy, client, destination.host)
        if rules is not None and not rules.defines_only_subsets:
            port = target_port(view, client.visibility, destination, listener_port)
            balancing = rules.cluster_policy(port, destination.subset).load_balancer
            if balancing is not None and balancing.hash_key is not None:
                keys[balancing.hash_key] = None
    return [_hash_policy(key) for key in keys]


def hashes_source(view: View, client: ClientKey, cluster: ClusterName) -> bool:
    """Tell whether the client's address chooses the endpoint: at L4 there is nothing else to hash."""
    balancing = cluster_policy(view, client, cluster).load_balancer
    return balancing is not None and balancing.hash_key is not None and balancing.hash_key.source_ip


def _by_utilization(utilization: Utilization) -> envoy.WeightedByUtilization:
    body = envoy.WeightedByUtilization(metric_names_for_computing_utilization=utilization.metrics)
    for field, milliseconds in (
        (body.blackout_period, utilization.blackout_ms),
        (body.weight_expiration_period, utilization.expiration_ms),
        (body.weight_update_period, utilization.update_ms),
    ):
        if milliseconds is not None:
            field.CopyFrom(envoy.duration(milliseconds))
    body.error_utilization_penalty.value = utilization.error_penalty
    return body


def _hash_policy(key: HashKey) -> envoy.RouteAction.HashPolicy:
    body = envoy.RouteAction.HashPolicy()
    if key.header:
        body.header.header_name = key.header
    elif key.cookie:
        body.cookie.name, body.cookie.path = key.cookie, key.cookie_path
        # With a TTL (0 is a session cookie) Envoy sets the cookie for clients that have none; without, it only reads
        # it.
        if key.cookie_ttl_ms is not None:
            body.cookie.ttl.CopyFrom(envoy.duration(key.cookie_ttl_ms))
        for name, value in key.cookie_attributes:
            body.cookie.attributes.add(name=name, value=value)
    elif key.query:
        body.query_parameter.name = key.query
    else:
        body.connection_properties.source_ip = True
    return body


def _slow_start(slow_start: SlowStart) -> envoy.Cluster.SlowStartConfig:
    body = envoy.Cluster.SlowStartConfig(slow_start_window=envoy.duration(slow_start.duration_ms))
    body.min_weight_percent.value = slow_start.min_weight_percent
    if slow_start.aggression != _LINEAR:
        body.aggression.CopyFrom(
            # Envoy rejects a RuntimeDouble without a runtime key.
            envoy.RuntimeDouble(default_value=slow_start.aggression, runtime_key="upstream.slow_start.aggression")
        )
    return body
