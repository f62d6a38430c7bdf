"""Which listener and filter chain a request comes to, and where its routes are."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.settings import PathForm
from mirrorplane.api.tracing import Request, WeightedCluster
from mirrorplane.translators import envoy, names
from mirrorplane.translators.matching.decoded import Decoded, trouble
from mirrorplane.translators.matching.filter_chains import connection_of, taker
from mirrorplane.translators.matching.udp import is_for_datagrams, passed_on

_MANAGER, _PROXY = envoy.HttpConnectionManager, envoy.TcpProxy


class Reached(msgspec.Struct, frozen=True):
    """A listener and its chain: either routes, or the clusters that bytes are passed on to.

    `paths` is what is made of paths before routes are looked at. `terminates`: TLS ends here.
    """

    listener: str
    chain: str
    routes: envoy.RouteConfiguration | None = None
    shares: tuple[WeightedCluster, ...] = ()
    paths: PathForm = PathForm.AS_SAID
    terminates: bool = False


def reached(known: Decoded, request: Request) -> Reached | None:
    """Return what takes a connection to the request's port; None when nothing listens there, or no chain wants it."""
    for i, listener in enumerate(_meant(known, request)):
        if request.udp:
            return Reached(listener.name, "", shares=passed_on(known, listener))
        if i and (request.address or listener.use_original_dst.value):
            return None  # connections go to one listener, and the kernel has told which
        found = taker(listener, connection_of(request))
        if found is not None:
            return _reached(known, listener.name, *found, request.address)
    return None


def listens(known: Decoded, port: int) -> bool:
    """Tell whether connections to a port get to a listener: with interception all do."""
    return next(_meant(known, Request("", port=port)), None) is not None


def _meant(known: Decoded, request: Request) -> Iterator[envoy.Listener]:
    """Yield the listeners for a port, most precise first; what the kernel brings goes first to where it was meant."""
    said = [
        listener
        for listener in known.listeners.values()
        if listener.traffic_direction != envoy.TrafficDirection.INBOUND and is_for_datagrams(listener) is request.udp
    ]
    if request.port == 0:
        yield from (listener for listener in said if _is_proxy(listener))
        return
    there = [listener for listener in said if _port(listener) == request.port and not _is_proxy(listener)]
    if request.address:
        yield from (one for one in there if one.address.socket_address.address == request.address)
    yield from (one for one in there if not _is_own(one))
    yield from (listener for listener in said if listener.use_original_dst.value)


def _is_own(listener: envoy.Listener) -> bool:
    """Tell whether a listener is only for those who dial its address: not bound, and not for every address."""
    bound = not listener.HasField("bind_to_port") or listener.bind_to_port.value
    return not bound and listener.address.socket_address.address != names.ANY_ADDRESS


def _port(listener: envoy.Listener) -> int:
    return int(listener.address.socket_address.port_value)


def _is_proxy(listener: envoy.Listener) -> bool:
    return any(_routes_of(chain) == names.HTTP_PROXY for chain in listener.filter_chains)


def _reached(known: Decoded, name: str, chain: envoy.FilterChain, place: str, address: str) -> Reached:
    ends = chain.HasField("transport_socket")
    for each in chain.filters:
        if each.typed_config.Is(_PROXY.DESCRIPTOR):
            shares = _shares(known, _PROXY.FromString(each.typed_config.value), address)
            return Reached(name, place, shares=shares, terminates=ends)
        if each.typed_config.Is(_MANAGER.DESCRIPTOR):
            manager = _MANAGER.FromString(each.typed_config.value)
            inline = manager.route_config if manager.HasField("route_config") else None
            routes = inline or known.configurations.get(manager.rds.route_config_name)
            return Reached(name, place, routes, paths=_paths(manager), terminates=ends)
    return Reached(name, place)


def _shares(known: Decoded, said: envoy.TcpProxy, address: str) -> tuple[WeightedCluster, ...]:
    weighted = [(each.name, each.weight) for each in said.weighted_clusters.clusters] or [(said.cluster, 1)]
    total = sum(weight for _, weight in weighted)
    return tuple(WeightedCluster(name, weight, total, trouble(known, name, address)) for name, weight in weighted)


def _paths(manager: envoy.HttpConnectionManager) -> PathForm:
    if not manager.normalize_path.value:
        return PathForm.AS_SAID
    if manager.path_with_escaped_slashes_action == envoy.HttpConnectionManager.UNESCAPE_AND_FORWARD:
        return PathForm.DECODED
    return PathForm.MERGED if manager.merge_slashes else PathForm.BASE


def _routes_of(chain: envoy.FilterChain) -> str:
    for each in chain.filters:
        if each.typed_config.Is(_MANAGER.DESCRIPTOR):
            return str(_MANAGER.FromString(each.typed_config.value).rds.route_config_name)
    return ""
