"""UDP at routers: which clusters datagrams are forwarded to, and in which shares.

Envoy chooses a cluster once for a session, which is everything from one address and port of a client. Its UDP proxy has
no weighted clusters, so a matcher selects by fractions of a hash of the client's port: one port always has one cluster.
"""

from collections.abc import Iterable, Iterator

from mirrorplane.api.actions import Destination
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import L4Route
from mirrorplane.api.units import MILLION
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.names import MISSING_CLUSTER, udp_cluster
from mirrorplane.translators.parts import balancing
from mirrorplane.translators.parts.access_log import access_logs
from mirrorplane.translators.routers.l4_routes import unnamed_rule
from mirrorplane.translators.routers.servers import ListenerBinding, merge_servers
from mirrorplane.translators.settings import mesh


def rule_of(view: View, scope: Scope, binding: ListenerBinding) -> L4Route | None:
    """Return the rule of a UDP port; None where no route is attached to it."""
    return view.memo(unnamed_rule, scope, binding.gateway_servers[0])


def bindings(view: View, scope: Scope) -> tuple[ListenerBinding, ...]:
    """Return the UDP ports that have a rule."""
    udp_bindings = (binding for binding in view.memo(merge_servers, scope).bindings if binding.udp)
    return tuple(binding for binding in udp_bindings if rule_of(view, scope, binding) is not None)


def clusters(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the names of the clusters that datagrams are forwarded to, sorted."""
    rules = (rule_of(view, scope, binding) for binding in bindings(view, scope))
    destinations = (destination for rule in rules if rule is not None for destination in _weighted(rule))
    return tuple(sorted({_cluster(destination) for destination in destinations if not destination.fails}))


def proxy(view: View, scope: Scope, rule: L4Route) -> envoy.ListenerFilter:
    """Return the UDP proxy of a rule. The share of a destination that is missing is dropped."""
    destinations = _weighted(rule)
    body = envoy.UdpProxy(stat_prefix=f"{rule.ref.name}.{rule.ref.namespace};")
    body.access_log.extend(access_logs(view.memo(mesh)))
    body.matcher.CopyFrom(_matcher(destinations))
    existing = [
        udp_cluster(destination.host, destination.port) for destination in destinations if not destination.fails
    ]
    if existing and balancing.hashes_source(view, scope.client, existing[0]):
        body.hash_policies.add(source_ip=True)
    return envoy.ListenerFilter(name="envoy.filters.udp_listener.udp_proxy", typed_config=envoy.packed(body))


def _weighted(rule: L4Route) -> tuple[Destination, ...]:
    return tuple(destination for destination in rule.destinations if destination.weight > 0)


def _cluster(destination: Destination) -> str:
    return MISSING_CLUSTER if destination.fails else str(udp_cluster(destination.host, destination.port))


def _matcher(destinations: tuple[Destination, ...]) -> envoy.Matcher:
    """Return the choice of a cluster: the first whose fraction includes the client's port, else the last.

    All matchers see the same hash, so the fraction of each is the sum of the shares up to its own.
    """
    matcher = envoy.Matcher()
    for destination, fraction in zip(destinations[:-1], _running_sums(destinations), strict=False):
        entry = matcher.matcher_list.matchers.add()
        predicate = entry.predicate.single_predicate
        # The hash that the fraction is compared with is that of this input.
        predicate.input.CopyFrom(_extension("envoy.matching.inputs.source_port", envoy.SourcePort()))
        config = envoy.FractionMatcher()
        config.runtime_fraction.default_value.CopyFrom(envoy.share(fraction))
        predicate.custom_match.CopyFrom(_extension("envoy.matching.matchers.runtime_fraction", config))
        entry.on_match.action.CopyFrom(_route(_cluster(destination)))
    matcher.on_no_match.action.CopyFrom(_route(_cluster(destinations[-1]) if destinations else MISSING_CLUSTER))
    return matcher


def _running_sums(destinations: Iterable[Destination]) -> Iterator[int]:
    """Yield the sum of the shares up to each destination, in parts per MILLION."""
    weights = [destination.weight for destination in destinations]
    for i in range(1, len(weights) + 1):
        yield round(MILLION * sum(weights[:i]) / sum(weights))


def _route(cluster: str) -> envoy.XdsExtension:
    return _extension("route", envoy.UdpRoute(cluster=cluster))


def _extension(name: str, config: envoy.Message) -> envoy.XdsExtension:
    return envoy.XdsExtension(name=name, typed_config=envoy.packed(config))
