"""Which filter chain of a listener takes a connection, as Envoy chooses it.

Envoy looks at one thing after the other (port, address, server name, transport, protocol) and keeps, each time, the
chains that want most precisely what is there, else those that want nothing of the kind. It never goes back, so a chain
that fits in all else is not found behind one that was more precise before.
"""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address, ip_network

import msgspec

from mirrorplane.api.tracing import Request
from mirrorplane.translators import envoy

_HTTP, _TLS, _PLAIN = frozenset({"http/1.0", "http/1.1", "h2c"}), "tls", "raw_buffer"
_Wants = Callable[[envoy.FilterChainMatch], int | None]
"""How precisely a match wants what is there: 0 wants nothing of the kind, None wants something else."""


class Connection(msgspec.Struct, frozen=True):
    """What Envoy knows of a connection: where it was meant to go, and what its first bytes say."""

    port: int
    address: str = ""
    tls: bool = False
    server_name: str = ""


def connection_of(request: Request) -> Connection:
    """Return the connection that a request comes by; TLS asks for the name in the URL."""
    name = request.authority.rpartition(":")[0] or request.authority
    return Connection(request.port, request.address, request.tls, name.lower() if request.tls else "")


def taker(listener: envoy.Listener, came: Connection) -> tuple[envoy.FilterChain, str] | None:
    """Return the chain and a name for it; None when the listener closes the connection."""
    left = list(enumerate(listener.filter_chains))
    for wants in (_port(came), _address(came), _name(came), _transport(came), _protocol(came)):
        left = _narrowed(left, wants)
    for i, chain in left[:1]:
        return chain, chain.name or f"filter chain {i}"
    if listener.HasField("default_filter_chain"):
        return listener.default_filter_chain, listener.default_filter_chain.name or "the default filter chain"
    return None


def _narrowed(left: Sequence[tuple[int, envoy.FilterChain]], wants: _Wants) -> list[tuple[int, envoy.FilterChain]]:
    precise = [(wants(chain.filter_chain_match), i, chain) for i, chain in left]
    best = max((how for how, _, _ in precise if how is not None), default=None)
    return [(i, chain) for how, i, chain in precise if how is not None and how == best]


def _port(came: Connection) -> _Wants:
    def wants(said: envoy.FilterChainMatch) -> int | None:
        if not said.HasField("destination_port"):
            return 0
        return 1 if said.destination_port.value == came.port else None

    return wants


def _address(came: Connection) -> _Wants:
    def wants(said: envoy.FilterChainMatch) -> int | None:
        if not said.prefix_ranges:
            return 0
        networks = (ip_network(f"{r.address_prefix}/{r.prefix_len.value}", strict=False) for r in said.prefix_ranges)
        there = [1 + n.prefixlen for n in networks if came.address and ip_address(came.address) in n]
        return max(there, default=None)

    return wants


def _name(came: Connection) -> _Wants:
    def wants(said: envoy.FilterChainMatch) -> int | None:
        if not said.server_names:
            return 0
        return max((how for how in _named(said.server_names, came.server_name) if how), default=None)

    return wants


def _named(names: Iterable[str], asked: str) -> Iterable[int]:
    """Yield how precisely each name covers the one that is asked for: its length, and an exact one before all."""
    for name in names:
        if name == asked and asked:
            yield len(name) + 1
        elif name.startswith("*.") and asked.endswith(name[1:]):
            yield len(name) - 1


def _transport(came: Connection) -> _Wants:
    there = _TLS if came.tls else _PLAIN
    return lambda said: (1 if said.transport_protocol == there else None) if said.transport_protocol else 0


def _protocol(came: Connection) -> _Wants:
    there = frozenset() if came.tls else _HTTP
    return lambda said: (1 if there & set(said.application_protocols) else None) if said.application_protocols else 0
