"""Which listener and filter chain get a request, and which routes they use."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.settings import PathForm
from mirrorplane.api.tracing import Request, WeightedCluster
from mirrorplane.translators import envoy, names
from mirrorplane.translators.matching.decoded import DecodedResources, cluster_problem
from mirrorplane.translators.matching.filter_chains import connection_of, find_filter_chain
from mirrorplane.translators.matching.udp import is_udp, udp_clusters

_MANAGER, _PROXY = envoy.HttpConnectionManager, envoy.TcpProxy


class ListenerMatch(msgspec.Struct, frozen=True):
    """A listener and its filter chain, with either routes or the clusters that L4 connections go to.

    `paths` is how paths are normalised before routes are evaluated. `terminates_tls`: the chain decrypts.
    """

    listener: str
    filter_chain: str
    routes: envoy.RouteConfiguration | None = None
    l4_clusters: tuple[WeightedCluster, ...] = ()
    paths: PathForm = PathForm.UNCHANGED
    terminates_tls: bool = False


def match_listener(resources: DecodedResources, request: Request) -> ListenerMatch | None:
    """Return what gets a connection to the request's port; None when no listener or no filter chain accepts it."""
    for i, listener in enumerate(_candidates(resources, request)):
        if request.udp:
            return ListenerMatch(listener.name, "", l4_clusters=udp_clusters(resources, listener))
        # With interception a connection belongs to the first candidate: Envoy tries no other listener after it.
        if i and (request.address or listener.use_original_dst.value):
            return None
        match = find_filter_chain(listener, connection_of(request))
        if match is not None:
            return _match(resources, listener.name, *match, request.address)
    return None


def has_listener(resources: DecodedResources, port: int) -> bool:
    """Tell whether connections to a port reach a listener: with interception all do."""
    return next(_candidates(resources, Request("", port=port)), None) is not None


def _candidates(resources: DecodedResources, request: Request) -> Iterator[envoy.Listener]:
    """Yield the outbound listeners for a port, those of the dialled address first (Envoy: use_original_dst)."""
    outbound = [
        listener
        for listener in resources.listeners.values()
        if listener.traffic_direction != envoy.TrafficDirection.INBOUND and is_udp(listener) is request.udp
    ]
    if request.port == 0:
        yield from (listener for listener in outbound if _is_http_proxy(listener))
        return
    on_port = [listener for listener in outbound if _port(listener) == request.port and not _is_http_proxy(listener)]
    if request.address:
        yield from (ln for ln in on_port if ln.address.socket_address.address == request.address)
    yield from (listener for listener in on_port if not _is_address_only(listener))
    yield from (listener for listener in outbound if listener.use_original_dst.value)


def _is_address_only(listener: envoy.Listener) -> bool:
    """Tell whether only connections to its own address reach a listener: unbound, and not for every address."""
    bound = not listener.HasField("bind_to_port") or listener.bind_to_port.value
    return not bound and listener.address.socket_address.address != names.ANY_ADDRESS


def _port(listener: envoy.Listener) -> int:
    return int(listener.address.socket_address.port_value)


def _is_http_proxy(listener: envoy.Listener) -> bool:
    return any(_route_config_name(chain) == names.HTTP_PROXY for chain in listener.filter_chains)


def _match(
    resources: DecodedResources, listener: str, chain: envoy.FilterChain, chain_name: str, address: str
) -> ListenerMatch:
    tls = chain.HasField("transport_socket")
    for network_filter in chain.filters:
        if network_filter.typed_config.Is(_PROXY.DESCRIPTOR):
            clusters = _tcp_clusters(resources, _PROXY.FromString(network_filter.typed_config.value), address)
            return ListenerMatch(listener, chain_name, l4_clusters=clusters, terminates_tls=tls)
        if network_filter.typed_config.Is(_MANAGER.DESCRIPTOR):
            manager = _MANAGER.FromString(network_filter.typed_config.value)
            inline = manager.route_config if manager.HasField("route_config") else None
            routes = inline or resources.configurations.get(manager.rds.route_config_name)
            return ListenerMatch(listener, chain_name, routes, paths=_path_form(manager), terminates_tls=tls)
    return ListenerMatch(listener, chain_name)


def _tcp_clusters(resources: DecodedResources, proxy: envoy.TcpProxy, address: str) -> tuple[WeightedCluster, ...]:
    weights = [(c.name, c.weight) for c in proxy.weighted_clusters.clusters] or [(proxy.cluster, 1)]
    total = sum(weight for _, weight in weights)
    return tuple(
        WeightedCluster(name, weight, total, cluster_problem(resources, name, address)) for name, weight in weights
    )


def _path_form(manager: envoy.HttpConnectionManager) -> PathForm:
    if not manager.normalize_path.value:
        return PathForm.UNCHANGED
    if manager.path_with_escaped_slashes_action == envoy.HttpConnectionManager.UNESCAPE_AND_FORWARD:
        return PathForm.DECODED
    return PathForm.MERGED if manager.merge_slashes else PathForm.BASE


def _route_config_name(chain: envoy.FilterChain) -> str:
    for network_filter in chain.filters:
        if network_filter.typed_config.Is(_MANAGER.DESCRIPTOR):
            return str(_MANAGER.FromString(network_filter.typed_config.value).rds.route_config_name)
    return ""
