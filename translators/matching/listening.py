"""Which listener and filter chain a request comes to, and where its routes are."""

import msgspec

from api.settings import PathForm
from api.tracing import Request
from translators import envoy, names
from translators.matching.decoded import Decoded

_PLAIN = "raw_buffer"
_HTTP = frozenset({"http/1.0", "http/1.1", "h2c"})
_MANAGER, _PROXY = envoy.HttpConnectionManager, envoy.TcpProxy


class Reached(msgspec.Struct, frozen=True):
    """A listener and its chain: either routes, or the cluster that bytes are passed on to.

    `paths` is what is made of paths before routes are looked at.
    """

    listener: str
    chain: str
    routes: envoy.RouteConfiguration | None = None
    cluster: str = ""
    paths: PathForm = PathForm.AS_SAID


def reached(known: Decoded, request: Request) -> Reached | None:
    """Return what takes a connection to the request's port; None when nothing listens there, or no chain wants it."""
    for name, listener in known.listeners.items():
        found = _chain(listener, request) if _is_meant(listener, request) else None
        if found is not None:
            chain, place = found
            return _reached(known, name, chain, place)
    return None


def listens(known: Decoded, port: int) -> bool:
    """Tell whether a port has a listener of its own: one that is not the HTTP proxy's."""
    return any(_is_meant(listener, Request("", port=port)) for listener in known.listeners.values())


def _is_meant(listener: envoy.Listener, request: Request) -> bool:
    proxy = any(_routes_of(chain) == names.HTTP_PROXY for chain in listener.filter_chains)
    port = listener.address.socket_address.port_value
    return proxy if request.port == 0 else port == request.port and not proxy


def _chain(listener: envoy.Listener, request: Request) -> tuple[envoy.FilterChain, str] | None:
    """Return the chain that takes a connection, and which it is; ours differ only in whether they want HTTP."""
    for i, chain in enumerate(listener.filter_chains):
        if _takes(chain.filter_chain_match, tls=request.tls):
            return chain, chain.name or f"filter chain {i}"
    if listener.HasField("default_filter_chain"):
        return listener.default_filter_chain, listener.default_filter_chain.name or "the default filter chain"
    return None


def _takes(said: envoy.FilterChainMatch, *, tls: bool) -> bool:
    anything = not said.application_protocols and not said.transport_protocol
    return anything or (
        not tls and said.transport_protocol == _PLAIN and _HTTP & set(said.application_protocols) != set()
    )


def _reached(known: Decoded, name: str, chain: envoy.FilterChain, place: str) -> Reached:
    for each in chain.filters:
        if each.typed_config.Is(_PROXY.DESCRIPTOR):
            return Reached(name, place, cluster=_PROXY.FromString(each.typed_config.value).cluster)
        if each.typed_config.Is(_MANAGER.DESCRIPTOR):
            manager = _MANAGER.FromString(each.typed_config.value)
            inline = manager.route_config if manager.HasField("route_config") else None
            routes = inline or known.configurations.get(manager.rds.route_config_name)
            return Reached(name, place, routes, paths=_paths(manager))
    return Reached(name, place)


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
