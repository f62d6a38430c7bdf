"""Filter chains of a sidecar's outbound listeners: HTTP by its routes, TLS by SNI, everything else by address."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

import msgspec

from mirrorplane.api.hosts import is_partial
from mirrorplane.api.mesh import Protocol
from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.alias_names import alias_names
from mirrorplane.translators.lookups.endpoints import port_of
from mirrorplane.translators.lookups.policies import undeclared_cluster
from mirrorplane.translators.parts import inspectors, l4_filter_chains, network_filters
from mirrorplane.translators.parts.domains import domains
from mirrorplane.translators.parts.l4_filter_chains import Chain
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars import outbound_listeners

_MAX_CONNECTION_MS = 60_000
"""The age at which connections end whose listener is removed with the last route of a service.

They would follow the removed routes until Envoy has drained the listener, which takes 10 minutes.
"""


class FilterChains(msgspec.Struct, frozen=True):
    """All fields of a Listener but its head, encoded; `routes` are the route configurations that it names."""

    fields: tuple[bytes, ...]
    routes: tuple[str, ...] = ()


def http_proxy_chains(view: View, scope: Scope, listener: str) -> FilterChains:
    """Return the chain for clients that use the sidecar as their HTTP proxy."""
    return _encode(view, [_http(_http_filter(view, scope, listener, names.HTTP_PROXY))], (names.HTTP_PROXY,))


def port_chains(view: View, scope: Scope, listener: str, number: int) -> FilterChains | None:
    """Return the chains of a port's listener, which all services share that have none of their own."""
    use = outbound_listeners.find_port_use(view, scope.visibility, number, intercepted=scope.intercepted)
    if use is None:
        return None
    routes = (str(number),) if use.http else ()
    http = []
    if use.http:
        http = [_http(_http_filter(view, scope, listener, str(number)), original_dst=scope.intercepted)]
    if use.only_http:
        return _encode(view, http, routes)
    # A TLS service that is alone on its port gets every connection, whatever its server name: it is the default chain.
    tls = use.tls if use.tls != (use.default,) else ()
    by_name = [chain for host in tls for chain in _named_chains(view, scope, host, number)]
    by_address = [chain for host in use.addressed for chain in _address_chains(view, scope, host, number, http)]
    default = _service_chains(view, scope, use.default, number) if use.default else _unknown_host(view, scope)
    return _encode(view, [*_plain_text(http), *by_address, *by_name, *default], routes)


def address_chains(view: View, scope: Scope, address: str, number: int) -> FilterChains | None:
    """Return the chains of a listener on an address of a service, or of several services."""
    listening = outbound_listeners.services_at(view, scope.visibility, address, number)
    if not listening:
        return None
    (oldest, port), *younger = listening
    configuration = names.virtual_host(oldest.host, number)
    listener = names.listener(address, number)
    if port.protocol.is_http:
        http_filter = _http_filter(view, scope, listener, configuration, _MAX_CONNECTION_MS)
        return _encode(view, [_http(http_filter)], (configuration,))
    routes = (configuration,) if port.protocol is Protocol.AUTO else ()
    http = [_http(_http_filter(view, scope, listener, name)) for name in routes]
    hosts = [service.host for service, its_port in younger if not its_port.protocol.is_http]
    by_name = [chain for host in hosts for chain in _named_chains(view, scope, host, number)]
    default = _service_chains(view, scope, oldest.host, number)
    return _encode(view, [*_plain_text(http), *by_name, *default], routes)


def _encode(view: View, chains: Sequence[Chain], routes: tuple[str, ...]) -> FilterChains:
    """Encode chains; the one without conditions becomes the default when there are others."""
    if len(chains) == 1 and chains[0].matches_all:
        return FilterChains(tuple(l4_filter_chains.encode_chains(chains)), routes)
    defaults = [chain for chain in chains if chain.matches_all]
    fields = (
        *l4_filter_chains.encode_chains(chain for chain in chains if not chain.matches_all),
        *map(l4_filter_chains.encode_default, defaults[:1]),
    )
    http = any(chain.http for chain in chains)
    by_name = any(chain.names for chain in chains)
    # The TLS inspector first: it also tells the HTTP inspector that a connection is no plain text.
    listener_filters = inspectors.inspectors(view.memo(mesh).detection_ms, tls=http or by_name, http=http)
    return FilterChains((*fields, envoy.encode(listener_filters)), routes)


def _http(http_filter: envoy.Filter, *, original_dst: bool = False) -> Chain:
    """Return a chain for HTTP. `original_dst`: its routes can match the original destination address."""
    before = [network_filters.remember_original_dst()] if original_dst else []
    return Chain((), (), envoy.encode(envoy.FilterChain(filters=[*before, http_filter])))


def _http_filter(view: View, scope: Scope, listener: str, routes: str, max_connection_ms: int = 0) -> envoy.Filter:
    return network_filters.http(view, scope, routes, f"outbound_{listener}", max_connection_ms)


def _plain_text(chains: Iterable[Chain]) -> list[Chain]:
    """Return HTTP chains that match only connections whose first bytes are HTTP."""
    return [msgspec.structs.replace(chain, http=True) for chain in chains]


def _service_chains(view: View, scope: Scope, host: str, number: int) -> tuple[Chain, ...]:
    service = services.service_on_listeners(view, scope.visibility, host)
    port = port_of(service, number) if service else None
    return view.memo(l4_filter_chains.service_chains, scope, host, number, port.protocol.value) if port else ()


def _named_chains(view: View, scope: Scope, host: str, number: int) -> Iterator[Chain]:
    """Yield the chains of a service that shares its listener: one without SNI names gets those of the service.

    None for a partial wildcard, which Envoy cannot match against SNI.
    """
    if is_partial(host):
        return
    hosts = (host, *alias_names(view, scope.visibility, host))
    # SNI has no trailing dot (RFC 6066).
    sni_names = tuple(name for each in hosts for name in domains(each, (), scope) if not name.endswith("."))
    for chain in _service_chains(view, scope, host, number):
        yield chain if chain.names else msgspec.structs.replace(chain, names=sni_names)


def _address_chains(view: View, scope: Scope, host: str, number: int, http: Iterable[Chain]) -> Iterator[Chain]:
    """Yield the chains of a service once for each of its addresses, so that a new address changes no other chain."""
    service = services.service_on_listeners(view, scope.visibility, host)
    port = port_of(service, number) if service else None
    if service is None or port is None:
        return
    detected = _plain_text(http) if port.protocol is Protocol.AUTO else []
    chains = [*detected, *_service_chains(view, scope, host, number)]
    for cidr in outbound_listeners.address_ranges(view, service, number):
        at_address = [chain if chain.ranges else msgspec.structs.replace(chain, ranges=(cidr,)) for chain in chains]
        yield from at_address
        if detected:
            yield from _other_plain_text(at_address, cidr)


def _other_plain_text(chains: Iterable[Chain], cidr: str) -> Iterator[Chain]:
    """Yield the chain for plain text at an address that is not HTTP, beside the chain of HTTP there.

    That one names a transport protocol. Envoy does not go back from it to a chain that names none: the listener's
    default would get the connection, which leads to undeclared hosts.
    """
    network = ip_network(cidr)
    for chain in chains:
        covers = any(ip_network(each, strict=False) == network for each in chain.ranges)
        if covers and not (chain.http or chain.names):
            yield msgspec.structs.replace(chain, ranges=(cidr,), plain=True)
            return


def _unknown_host(view: View, scope: Scope) -> tuple[Chain, ...]:
    """Return the chain for addresses that no service has (Istio's outboundTrafficPolicy)."""
    if not scope.intercepted:
        return ()
    proxy = network_filters.tcp_fixed(view, undeclared_cluster(view, scope.visibility))
    # The name of this chain in Istio.
    body = envoy.FilterChain(name="PassthroughFilterChain", filters=[proxy])
    return (Chain((), (), envoy.encode(body)),)
