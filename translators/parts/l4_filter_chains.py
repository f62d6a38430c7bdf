"""Filter chains for connections that are passed on as bytes: to a service, or as its route tables say."""

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
from mirrorplane.translators.lookups.route_tables import holds
from mirrorplane.translators.names import MISSING_CLUSTER, ClusterName, outbound_cluster
from mirrorplane.translators.parts import network_filters
from mirrorplane.translators.parts.weights import fit_weights

_FILTER_CHAINS_FIELD, _DEFAULT_FIELD = 3, 25
_EVERY_NAME = "*"
Meant = Callable[[View, Scope, ClusterName], ClusterName]


class Chain(msgspec.Struct, frozen=True):
    """A filter chain less its match, encoded, and what it takes.

    Connections that ask for one of the names and were meant for one of the ranges, where there are any; `http`: only
    those whose first bytes are plain HTTP.
    """

    names: tuple[str, ...]
    ranges: tuple[str, ...]
    body: bytes
    http: bool = False

    @property
    def takes_all(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.names or self.ranges or self.http)


def of_service(view: View, scope: Scope, host: str, number: int, protocol: str) -> tuple[Chain, ...]:
    """Return the chains of a service's port, the one for everything else last.

    Istio: the first table with a rule for TLS that holds for this client says where TLS goes, and so for TCP; without
    one it goes to the service. A TCP rule that looks at no address is the last.
    """
    made: list[Chain] = []
    if Protocol(protocol) is not Protocol.TCP:
        made += [of_rule(view, scope, r, number) for r in _rules(view, scope, host, number, tls=True)]
    if made and Protocol(protocol) is Protocol.TLS:
        return tuple(made)
    for rule in _rules(view, scope, host, number, tls=False):
        made.append(of_rule(view, scope, rule, number))
        if not rule.match.subnets:
            return tuple(made)
    return (*made, Chain((), (), envoy.encode(_plain(view, scope, host, number))))


def framed(said: Iterable[Chain]) -> Iterator[bytes]:
    """Yield chains as they stand in a listener. Envoy refuses two that want the same: the first has it (Istio)."""
    taken: set[tuple[bool, str, str]] = set()
    for chain in said:
        for names, ranges in _left(chain, taken):
            match = _match(names, ranges, http=chain.http)
            yield envoy.encode_field(_FILTER_CHAINS_FIELD, match + chain.body)


def default(said: Chain) -> bytes:
    """Return a chain for what no other wants, as it stands in a listener."""
    return envoy.encode_field(_DEFAULT_FIELD, said.body)


def _match(names: Iterable[str], ranges: Iterable[str], *, http: bool) -> bytes:
    """Return the match of a chain, encoded as the chain's field; nothing where all is wanted."""
    match = envoy.FilterChainMatch(server_names=names)
    for part in ranges:
        network = ip_network(part)
        match.prefix_ranges.add(address_prefix=str(network.network_address)).prefix_len.value = network.prefixlen
    if http:
        match.application_protocols.extend(network_filters.HTTP_ALPN)
        match.transport_protocol = "raw_buffer"
    return envoy.encode(envoy.FilterChain(filter_chain_match=match)) if match.ByteSize() else b""


def _left(chain: Chain, taken: set[tuple[bool, str, str]]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the names and ranges of a chain that no chain before has, grouped; takes them."""
    names = [""] if _EVERY_NAME in chain.names else dict.fromkeys(chain.names or ("",))
    ranges = dict.fromkeys(str(ip_network(part, strict=False)) for part in chain.ranges) or ("",)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        free = tuple(part for part in ranges if (chain.http, name, part) not in taken)
        taken |= {(chain.http, name, part) for part in free}
        if free:
            groups.setdefault(free, []).append(name)
    for free, of_group in groups.items():
        yield tuple(filter(None, of_group)), tuple(filter(None, free))


def _rules(view: View, scope: Scope, host: str, number: int, *, tls: bool) -> tuple[L4Route, ...]:
    """Return the rules of the first table that has any for this client."""
    for table in services.tables_of(view, scope.visibility, host, number):
        found = tuple(r for r in table.l4_routes if r.tls is tls and holds(r.match, scope, number))
        if found:
            return found
    return ()


def of_rule(view: View, scope: Scope, rule: L4Route, number: int, meant: Meant = lambda _, __, to: to) -> Chain:
    """Return the chain of a rule on a port. `meant` says which cluster stands for one that live requests use."""
    body = envoy.FilterChain(filters=[_filter(view, scope, rule, number, meant)])
    return Chain(rule.match.server_names, rule.match.subnets, envoy.encode(body))


def _plain(view: View, scope: Scope, host: str, number: int) -> envoy.FilterChain:
    return envoy.FilterChain(filters=[network_filters.tcp(view, scope.client, outbound_cluster(host, number))])


def sharing(rule: L4Route) -> Sequence[Destination]:
    """Return where connections go: an only destination gets all, of several those of weight 0 get none."""
    return [to for to in rule.destinations if to.weight > 0] if len(rule.destinations) > 1 else rule.destinations


def cluster_of(view: View, scope: Scope, to: Destination, number: int) -> ClusterName:
    """Return the cluster that live requests to a destination use."""
    return outbound_cluster(to.host, target_port(view, scope.visibility, to, number), to.subset)


def _filter(view: View, scope: Scope, rule: L4Route, number: int, meant: Meant) -> envoy.Filter:
    shares = sharing(rule)
    named = [None if to.fails else meant(view, scope, cluster_of(view, scope, to, number)) for to in shares]
    there = [name for name in named if name is not None]
    if not there:
        return network_filters.tcp_fixed(view, MISSING_CLUSTER)
    if len(shares) == 1:
        return network_filters.tcp(view, scope.client, there[0])
    names = [MISSING_CLUSTER if name is None else str(name) for name in named]
    weighted = tuple(zip(names, fit_weights([to.weight for to in shares]), strict=True))
    return network_filters.tcp_weighted(view, scope.client, weighted, f"{rule.ref.name}.{rule.ref.namespace}", there[0])
