"""Datagrams that a router passes on by UDP: to which clusters, and how they are shared among them.

Envoy chooses a cluster once for a session, which is all that comes from one address and port of a client. It has no
weights for UDP, so it is asked for fractions of the clients' ports, by their hash: one port always goes one way.
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
from mirrorplane.translators.routers.l4_routes import sent_on
from mirrorplane.translators.routers.servers import ListenerBinding, merged
from mirrorplane.translators.settings import mesh


def rule_of(view: View, scope: Scope, binding: ListenerBinding) -> L4Route | None:
    """Return the rule for what comes to a port; None where nobody says anything of it."""
    return view.memo(sent_on, scope, binding.gateway_servers[0])


def bindings(view: View, scope: Scope) -> tuple[ListenerBinding, ...]:
    """Return the ports that datagrams are taken at."""
    found = (binding for binding in view.memo(merged, scope).bindings if binding.udp)
    return tuple(binding for binding in found if rule_of(view, scope, binding) is not None)


def clusters(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the names of the clusters that they go to, sorted."""
    rules = (rule_of(view, scope, binding) for binding in bindings(view, scope))
    names = {_cluster(to) for rule in rules if rule is not None for to in _shares(rule) if not to.fails}
    return tuple(sorted(names))


def proxy(view: View, scope: Scope, rule: L4Route) -> envoy.ListenerFilter:
    """Return what passes datagrams on as a rule says; the share of what there is not is dropped."""
    shares = _shares(rule)
    body = envoy.UdpProxy(stat_prefix=f"{rule.ref.name}.{rule.ref.namespace};")
    body.access_log.extend(access_logs(view.memo(mesh)))
    body.matcher.CopyFrom(_matcher(shares))
    there = [to for to in shares if not to.fails]
    if there and balancing.hashes_source(view, scope.client, udp_cluster(there[0].host, there[0].port)):
        body.hash_policies.add(source_ip=True)
    return envoy.ListenerFilter(name="envoy.filters.udp_listener.udp_proxy", typed_config=envoy.packed(body))


def _shares(rule: L4Route) -> tuple[Destination, ...]:
    return tuple(to for to in rule.destinations if to.weight > 0)


def _cluster(to: Destination) -> str:
    return MISSING_CLUSTER if to.fails else str(udp_cluster(to.host, to.port))


def _matcher(shares: tuple[Destination, ...]) -> envoy.Matcher:
    """Return the choice of a cluster: the first whose fraction takes the client's port, else the last.

    All ask the same hash, so that the fractions are those of all before and the own share together.
    """
    matcher = envoy.Matcher()
    for to, below in zip(shares[:-1], _running(shares), strict=False):
        one = matcher.matcher_list.matchers.add()
        asked = one.predicate.single_predicate
        asked.input.CopyFrom(_extension("envoy.matching.inputs.source_port", envoy.SourcePort()))
        fraction = envoy.FractionMatcher()
        fraction.runtime_fraction.default_value.CopyFrom(envoy.share(below))
        asked.custom_match.CopyFrom(_extension("envoy.matching.matchers.runtime_fraction", fraction))
        one.on_match.action.CopyFrom(_route(_cluster(to)))
    matcher.on_no_match.action.CopyFrom(_route(_cluster(shares[-1]) if shares else MISSING_CLUSTER))
    return matcher


def _running(shares: Iterable[Destination]) -> Iterator[int]:
    """Yield the sums of the shares up to each, in parts per MILLION."""
    weights = [to.weight for to in shares]
    for i in range(1, len(weights) + 1):
        yield round(MILLION * sum(weights[:i]) / sum(weights))


def _route(cluster: str) -> envoy.XdsExtension:
    return _extension("route", envoy.UdpRoute(cluster=cluster))


def _extension(name: str, config: envoy.Message) -> envoy.XdsExtension:
    return envoy.XdsExtension(name=name, typed_config=envoy.packed(config))
