"""Where a listener for UDP passes datagrams on."""

from collections.abc import Iterator

from mirrorplane.api.tracing import WeightedCluster
from mirrorplane.api.units import MILLION
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.decoded import Decoded, trouble

_PROXY = envoy.UdpProxy


def is_for_datagrams(listener: envoy.Listener) -> bool:
    """Tell whether a listener is for UDP."""
    return bool(listener.address.socket_address.protocol == envoy.SocketAddress.UDP)


def passed_on(known: Decoded, listener: envoy.Listener) -> tuple[WeightedCluster, ...]:
    """Return the clusters that sessions go to, each with its share in parts per MILLION; the only one with all.

    Fractions are of one hash, so that each takes what is left of it by those before.
    """
    (proxy,) = (_PROXY.FromString(one.typed_config.value) for one in listener.listener_filters)
    found = list(_bounds(proxy.matcher))
    below = [0, *(bound for _, bound in found)]
    return tuple(
        WeightedCluster(cluster, bound - before, MILLION, trouble(known, cluster))
        for (cluster, bound), before in zip(found, below, strict=False)
    )


def _bounds(said: envoy.Matcher) -> Iterator[tuple[str, int]]:
    for one in said.matcher_list.matchers:
        fraction = envoy.FractionMatcher()
        one.predicate.single_predicate.custom_match.typed_config.Unpack(fraction)
        yield _cluster(one.on_match), fraction.runtime_fraction.default_value.numerator
    yield _cluster(said.on_no_match), MILLION


def _cluster(said: "envoy.Matcher.OnMatch") -> str:
    route = envoy.UdpRoute()
    said.action.typed_config.Unpack(route)
    return str(route.cluster)
