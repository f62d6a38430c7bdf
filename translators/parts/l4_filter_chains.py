"""Filter chains for L4: connections to a service, or to where its route tables send them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_network

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.mesh import Protocol
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import L4Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.policies import target_port
from mirrorplane.translators.lookups.route_tables import may_match
from mirrorplane.translators.names import MISSING_CLUSTER, ClusterName, outbound_cluster
from mirrorplane.translators.parts import network_filters
from mirrorplane.translators.parts.weights import fit_weights

_FILTER_CHAINS_FIELD, _DEFAULT_FIELD = 3, 25
"""Field numbers in Listener."""
_ANY_NAME = "*"
_Key = tuple[bool, bool, str, str]
"""What a chain matches: `http`, `plain`, a server name and a range; "" is any."""
ChooseCluster = Callable[[View, Scope, ClusterName], ClusterName]


class Chain(msgspec.Struct, frozen=True):
    """A filter chain, encoded without its match, and what it matches.

    Connections with one of the server names (SNI) and one of the destination ranges, where there are any; `http`: only
    those whose first bytes are plain HTTP; `plain`: only those that are not TLS.
    """

    names: tuple[str, ...]
    ranges: tuple[str, ...]
    body: bytes
    http: bool = False
    plain: bool = False

    @property
    def matches_all(self) -> bool:
        """Whether the chain has no conditions."""
        return not (self.names or self.ranges or self.http or self.plain)


def service_chains(view: View, scope: Scope, host: str, port: int, protocol: str) -> tuple[Chain, ...]:
    """Return the chains of a service's port, the one without conditions last.

    Istio: the first table with a TLS rule that applies to this client decides for TLS, and so for TCP; without one,
    connections go to the service. A TCP rule without destination subnets ends the list.
    """
    chains: list[Chain] = []
    if Protocol(protocol) is not Protocol.TCP:
        chains += [rule_chain(view, scope, rule, port) for rule in _rules(view, scope, host, port, tls=True)]
    if chains and Protocol(protocol) is Protocol.TLS:
        return tuple(chains)
    for rule in _rules(view, scope, host, port, tls=False):
        chains.append(rule_chain(view, scope, rule, port))
        if not rule.match.subnets:
            return tuple(chains)
    return (*chains, Chain((), (), envoy.encode(_service_chain(view, scope, host, port))))


def encode_chains(chains: Iterable[Chain]) -> Iterator[bytes]:
    """Yield chains as fields of a Listener. Envoy rejects two with the same match: the first one keeps it (Istio)."""
    matched: set[_Key] = set()
    for chain in chains:
        for names, ranges in _unmatched(chain, matched):
            match = _encode_match(names, ranges, http=chain.http, plain=chain.plain)
            # Encoded apart and concatenated, so that a chain is encoded once for all its matches.
            yield envoy.encode_field(_FILTER_CHAINS_FIELD, match + chain.body)


def encode_default(chain: Chain) -> bytes:
    """Return a chain as the Listener's default_filter_chain, for what no other matches."""
    return envoy.encode_field(_DEFAULT_FIELD, chain.body)


def rule_chain(
    view: View, scope: Scope, rule: L4Route, port: int, choose: ChooseCluster = lambda _, __, live: live
) -> Chain:
    """Return the chain of a rule on a port. `choose` replaces the cluster that live requests use."""
    body = envoy.FilterChain(filters=[_tcp_proxy(view, scope, rule, port, choose)])
    return Chain(rule.match.server_names, rule.match.subnets, envoy.encode(body))


def weighted_destinations(rule: L4Route) -> Sequence[Destination]:
    """Return where connections go. A single destination gets all; of several, those of weight 0 get none."""
    destinations = rule.destinations
    return [d for d in destinations if d.weight > 0] if len(destinations) > 1 else destinations


def live_cluster(view: View, scope: Scope, destination: Destination, port: int) -> ClusterName:
    """Return the cluster that live requests to a destination use."""
    number = target_port(view, scope.visibility, destination, port)
    return outbound_cluster(destination.host, number, destination.subset)


def _encode_match(names: Iterable[str], ranges: Iterable[str], *, http: bool, plain: bool) -> bytes:
    """Return the match of a chain, encoded as a field of the chain; nothing where it has no conditions."""
    match = envoy.FilterChainMatch(server_names=names)
    for cidr in ranges:
        network = ip_network(cidr)
        match.prefix_ranges.add(address_prefix=str(network.network_address)).prefix_len.value = network.prefixlen
    if http:
        match.application_protocols.extend(network_filters.DETECTED_HTTP)
    if http or plain:
        match.transport_protocol = "raw_buffer"  # else TLS that offers http/1.1 by ALPN would match
    return envoy.encode(envoy.FilterChain(filter_chain_match=match)) if match.ByteSize() else b""


def _unmatched(chain: Chain, matched: set[_Key]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the names and ranges of a chain that no earlier chain matches, names with equal ranges together.

    Adds them to `matched`.
    """
    names = [""] if _ANY_NAME in chain.names else dict.fromkeys(chain.names or ("",))
    ranges = dict.fromkeys(str(ip_network(cidr, strict=False)) for cidr in chain.ranges) or ("",)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        free = tuple(cidr for cidr in ranges if (chain.http, chain.plain, name, cidr) not in matched)
        matched |= {(chain.http, chain.plain, name, cidr) for cidr in free}
        if free:
            groups.setdefault(free, []).append(name)
    for free, group in groups.items():
        yield tuple(filter(None, group)), tuple(filter(None, free))


def _rules(view: View, scope: Scope, host: str, port: int, *, tls: bool) -> tuple[L4Route, ...]:
    """Return the rules of the first table that has any for this client."""
    for table in services.tables_for_host(view, scope.visibility, host, port):
        rules = tuple(rule for rule in table.l4_routes if rule.tls is tls and may_match(rule.match, scope, port))
        if rules:
            return rules
    return ()


def _service_chain(view: View, scope: Scope, host: str, port: int) -> envoy.FilterChain:
    return envoy.FilterChain(filters=[network_filters.tcp(view, scope.client, outbound_cluster(host, port))])


def _tcp_proxy(view: View, scope: Scope, rule: L4Route, port: int, choose: ChooseCluster) -> envoy.Filter:
    destinations = weighted_destinations(rule)
    clusters = [None if d.fails else choose(view, scope, live_cluster(view, scope, d, port)) for d in destinations]
    existing = [cluster for cluster in clusters if cluster is not None]
    if not existing:
        return network_filters.tcp_fixed(view, MISSING_CLUSTER)
    if len(destinations) == 1:
        return network_filters.tcp(view, scope.client, existing[0])
    names = [MISSING_CLUSTER if cluster is None else str(cluster) for cluster in clusters]
    weights = tuple(zip(names, fit_weights([d.weight for d in destinations]), strict=True))
    stat_prefix = f"{rule.ref.name}.{rule.ref.namespace}"
    return network_filters.tcp_weighted(view, scope.client, weights, stat_prefix, existing[0])
