"""The clusters that a UDP listener forwards to."""

from collections.abc import Iterator

from mirrorplane.api.tracing import WeightedCluster
from mirrorplane.api.units import MILLION
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.decoded import DecodedResources, cluster_problem

_PROXY = envoy.UdpProxy


def is_udp(listener: envoy.Listener) -> bool:
    """Tell whether a listener is for UDP."""
    return bool(listener.address.socket_address.protocol == envoy.SocketAddress.UDP)


def udp_clusters(resources: DecodedResources, listener: envoy.Listener) -> tuple[WeightedCluster, ...]:
    """Return the clusters that UDP sessions go to, with weights in parts per MILLION.

    The matchers compare one hash of the session with growing bounds, so each gets what those before it left.
    """
    (proxy,) = (_PROXY.FromString(f.typed_config.value) for f in listener.listener_filters)
    bounds = list(_bounds(proxy.matcher))
    lower_bounds = [0, *(bound for _, bound in bounds)]
    return tuple(
        WeightedCluster(cluster, upper - lower, MILLION, cluster_problem(resources, cluster))
        for (cluster, upper), lower in zip(bounds, lower_bounds, strict=False)
    )


def _bounds(matcher: envoy.Matcher) -> Iterator[tuple[str, int]]:
    for field_matcher in matcher.matcher_list.matchers:
        fraction = envoy.FractionMatcher()
        field_matcher.predicate.single_predicate.custom_match.typed_config.Unpack(fraction)
        yield _cluster(field_matcher.on_match), fraction.runtime_fraction.default_value.numerator
    yield _cluster(matcher.on_no_match), MILLION


def _cluster(on_match: "envoy.Matcher.OnMatch") -> str:
    route = envoy.UdpRoute()
    on_match.action.typed_config.Unpack(route)
    return str(route.cluster)
