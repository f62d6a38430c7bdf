"""Which filter chain of a listener a connection gets, chosen as Envoy does.

Envoy checks one criterion after the other (port, address, server name, transport protocol, application protocol) and
keeps the chains that match most specifically, or else those that do not restrict it. It never backtracks: a chain that
would match in every respect is lost if another matched an earlier criterion more specifically.
"""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address, ip_network

import msgspec

from mirrorplane.api.tracing import Request
from mirrorplane.translators import envoy

_HTTP, _TLS, _PLAIN = frozenset({"http/1.0", "http/1.1", "h2c"}), "tls", "raw_buffer"
_Specificity = Callable[[envoy.FilterChainMatch], int | None]
"""How specifically a match restricts one criterion: 0 does not restrict it, None does not match."""


class Connection(msgspec.Struct, frozen=True):
    """What Envoy knows of a connection: its original destination, and what its first bytes reveal."""

    port: int
    address: str = ""
    tls: bool = False
    server_name: str = ""


def connection_of(request: Request) -> Connection:
    """Return the connection that carries a request; with TLS, its SNI is the host of the URL."""
    name = request.authority.rpartition(":")[0] or request.authority
    return Connection(request.port, request.address, request.tls, name.lower() if request.tls else "")


def find_filter_chain(listener: envoy.Listener, connection: Connection) -> tuple[envoy.FilterChain, str] | None:
    """Return the chain and a name to show for it; None when the listener closes the connection."""
    candidates = list(enumerate(listener.filter_chains))
    for criterion in (_port, _address, _server_name, _transport, _application):
        candidates = _narrowed(candidates, criterion(connection))
    for i, chain in candidates[:1]:
        return chain, chain.name or f"filter chain {i}"
    if listener.HasField("default_filter_chain"):
        return listener.default_filter_chain, listener.default_filter_chain.name or "the default filter chain"
    return None


def _narrowed(
    candidates: Sequence[tuple[int, envoy.FilterChain]], specificity: _Specificity
) -> list[tuple[int, envoy.FilterChain]]:
    ranked = [(specificity(chain.filter_chain_match), i, chain) for i, chain in candidates]
    best = max((rank for rank, _, _ in ranked if rank is not None), default=None)
    return [(i, chain) for rank, i, chain in ranked if rank is not None and rank == best]


def _port(connection: Connection) -> _Specificity:
    def specificity(match: envoy.FilterChainMatch) -> int | None:
        if not match.HasField("destination_port"):
            return 0
        return 1 if match.destination_port.value == connection.port else None

    return specificity


def _address(connection: Connection) -> _Specificity:
    def specificity(match: envoy.FilterChainMatch) -> int | None:
        if not match.prefix_ranges:
            return 0
        networks = (ip_network(f"{r.address_prefix}/{r.prefix_len.value}", strict=False) for r in match.prefix_ranges)
        address = ip_address(connection.address) if connection.address else None
        return max((1 + n.prefixlen for n in networks if address is not None and address in n), default=None)

    return specificity


def _server_name(connection: Connection) -> _Specificity:
    def specificity(match: envoy.FilterChainMatch) -> int | None:
        if not match.server_names:
            return 0
        return max((rank for rank in _name_ranks(match.server_names, connection.server_name) if rank), default=None)

    return specificity


def _name_ranks(names: Iterable[str], server_name: str) -> Iterable[int]:
    """Yield how specifically each name covers the SNI: by length, with an exact name before every wildcard."""
    for name in names:
        if name == server_name and server_name:
            yield len(name) + 1
        elif name.startswith("*.") and server_name.endswith(name[1:]):
            yield len(name) - 1


def _transport(connection: Connection) -> _Specificity:
    protocol = _TLS if connection.tls else _PLAIN
    return lambda match: (1 if match.transport_protocol == protocol else None) if match.transport_protocol else 0


def _application(connection: Connection) -> _Specificity:
    # With TLS this is the client's ALPN, which a request does not state; in plaintext, what the HTTP inspector found.
    protocols = frozenset() if connection.tls else _HTTP
    return lambda match: (
        (1 if protocols & set(match.application_protocols) else None) if match.application_protocols else 0
    )
