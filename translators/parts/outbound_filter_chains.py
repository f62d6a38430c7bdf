"""What takes the connections to a sidecar's listener: HTTP by its routes, TLS by server names, all else by address."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from mirrorplane.api.mesh import Protocol
from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.policies import port_of, unknown
from mirrorplane.translators.parts import inspectors, l4_filter_chains, network_filters
from mirrorplane.translators.parts.domains import domains
from mirrorplane.translators.parts.l4_filter_chains import Chain
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars import outbound_listeners

_LONGEST_MS = 60_000
"""How old a connection gets that is only right while a service has routes of its own."""


class FilterChains(msgspec.Struct, frozen=True):
    """The rest of a listener, encoded; `routes` are the route configurations it names."""

    frames: tuple[bytes, ...]
    routes: tuple[str, ...] = ()


def proxy(view: View, scope: Scope, listener: str) -> FilterChains:
    """Return what takes the requests of those who use the sidecar as their HTTP proxy."""
    return _landing(view, [_http(view, scope, listener, names.HTTP_PROXY)], (names.HTTP_PROXY,))


def shared(view: View, scope: Scope, listener: str, number: int) -> FilterChains | None:
    """Return what takes the connections to a port, whichever service they are meant for."""
    use = outbound_listeners.use_of(view, scope.visibility, number, intercepted=scope.intercepted)
    if use is None:
        return None
    routes = (str(number),) if use.http else ()
    http = [_http(view, scope, listener, str(number), tells=scope.intercepted)] if use.http else []
    if use.only_http:
        return _landing(view, http, routes)
    tls = use.tls if use.tls != (use.default,) else ()
    told = [chain for host in tls for chain in _by_name(scope, _of(view, scope, host, number), host)]
    by_address = [c for host in use.addressed for c in _by_address(view, scope, host, number, http)]
    rest = _of(view, scope, use.default, number) if use.default else _unknown(view, scope)
    return _landing(view, [*_sniffed(http), *by_address, *told, *rest], routes)


def own(view: View, scope: Scope, address: str, number: int) -> FilterChains | None:
    """Return what takes the connections to an address of a service, or of several."""
    found = outbound_listeners.at(view, scope.visibility, address, number)
    if not found:
        return None
    (first, port), *others = found
    own = names.virtual_host(first.host, number)
    if port.protocol.is_http:
        return _landing(view, [_alone(view, scope, names.listener(address, number), own)], (own,))
    routes = (own,) if port.protocol is Protocol.AUTO else ()
    http = [_http(view, scope, names.listener(address, number), name) for name in routes]
    hosts = [service.host for service, other in others if not other.protocol.is_http]
    told = [chain for host in hosts for chain in _by_name(scope, _of(view, scope, host, number), host)]
    return _landing(view, [*_sniffed(http), *told, *_of(view, scope, first.host, number)], routes)


def _landing(view: View, said: Sequence[Chain], routes: tuple[str, ...]) -> FilterChains:
    """Return the chains; one that takes everything is the default when there are others."""
    if len(said) == 1 and said[0].takes_all:
        return FilterChains(tuple(l4_filter_chains.framed(said)), routes)
    everything = [chain for chain in said if chain.takes_all]
    frames = (
        *l4_filter_chains.framed(chain for chain in said if not chain.takes_all),
        *map(l4_filter_chains.default, everything[:1]),
    )
    sniffs = any(chain.http for chain in said)
    named = any(chain.names for chain in said)
    looks = inspectors.inspectors(view.memo(mesh).detection_ms, tls=sniffs or named, http=sniffs)
    return FilterChains((*frames, envoy.encode(looks)), routes)


def _http(view: View, scope: Scope, listener: str, routes: str, *, tells: bool = False) -> Chain:
    """Return a chain for HTTP; `tells`: its routes can ask which address was dialled."""
    manager = network_filters.http(view, scope, routes, f"outbound_{listener}")
    first = [network_filters.remember_original_dst()] if tells else []
    return Chain((), (), envoy.encode(envoy.FilterChain(filters=[*first, manager])))


def _alone(view: View, scope: Scope, listener: str, routes: str) -> Chain:
    """Return a chain for HTTP to a service whose own routes hold.

    When the last of them goes, so does the listener; connections that came by it would obey them until Envoy has
    drained it (10 minutes), so none gets old.
    """
    manager = network_filters.http(view, scope, routes, f"outbound_{listener}", _LONGEST_MS)
    return Chain((), (), envoy.encode(envoy.FilterChain(filters=[manager])))


def _sniffed(said: Iterable[Chain]) -> list[Chain]:
    return [msgspec.structs.replace(chain, http=True) for chain in said]


def _of(view: View, scope: Scope, host: str, number: int) -> tuple[Chain, ...]:
    service = services.listed(view, scope.visibility, host)
    port = port_of(service, number) if service else None
    return view.memo(l4_filter_chains.of_service, scope, host, number, port.protocol.value) if port else ()


def _by_name(scope: Scope, said: Iterable[Chain], host: str) -> Iterator[Chain]:
    """Yield chains that share a listener with other services': what asks for no name asks for the service's own."""
    own = tuple(name for name in domains(host, (), scope) if not name.endswith("."))
    for chain in said:
        yield chain if chain.names else msgspec.structs.replace(chain, names=own)


def _by_address(view: View, scope: Scope, host: str, number: int, http: Iterable[Chain]) -> Iterator[Chain]:
    """Yield the chains of a service for each of its addresses, so that one more disturbs no other."""
    service = services.listed(view, scope.visibility, host)
    port = port_of(service, number) if service else None
    if service is None or port is None:
        return
    said = [*(_sniffed(http) if port.protocol is Protocol.AUTO else ()), *_of(view, scope, host, number)]
    for where in outbound_listeners.ranges(view, service, number):
        for chain in said:
            yield chain if chain.ranges else msgspec.structs.replace(chain, ranges=(where,))


def _unknown(view: View, scope: Scope) -> tuple[Chain, ...]:
    """Return what takes connections to what no service has (Istio's outboundTrafficPolicy)."""
    if not scope.intercepted:
        return ()
    rest = network_filters.tcp_fixed(view, unknown(view, scope.visibility))
    body = envoy.FilterChain(name="PassthroughFilterChain", filters=[rest])
    return (Chain((), (), envoy.encode(body)),)
