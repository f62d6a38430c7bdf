"""Filter chains of a router's listener: one for plain HTTP, one for each server that TLS names choose between."""

from collections.abc import Iterator

from mirrorplane.api.gateways import Speaks, Termination
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import StreamRoute
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.names import ANYWHERE, NOWHERE, listener
from mirrorplane.translators.parts import l4_filter_chains, network_filters, tls_passthrough
from mirrorplane.translators.parts.downstream_tls import HTTP_ALPN, taken_off
from mirrorplane.translators.parts.l4_filter_chains import Chain
from mirrorplane.translators.routers.l4_routes import rules_at
from mirrorplane.translators.routers.servers import Door, Opening, closed


def of_opening(view: View, scope: Scope, opening: Opening) -> tuple[Chain, ...]:
    """Return the chains of a listener; none where nothing could be done with connections."""
    if _is_http(opening.doors[0]):
        return (_http(view, scope, opening.doors[0]),)
    found = tuple(chain for door in opening.doors for chain in view.memo(_of_door, scope, door))
    return (*found, *_refusing(view, opening)) if found else ()


def routes(view: View, scope: Scope, opening: Opening) -> tuple[str, ...]:
    """Return the names of the route configurations that the chains use."""
    served = (door.routes for door in opening.doors if door.routes and not closed(view, scope, door))
    return tuple(dict.fromkeys(served))


def _is_http(door: Door) -> bool:
    return door.server.speaks is Speaks.HTTP and not door.server.tls


def _of_door(view: View, scope: Scope, door: Door) -> tuple[Chain, ...]:
    server = door.server
    if closed(view, scope, door):
        return ()
    if server.speaks is Speaks.HTTP:
        return (_http(view, scope, door),)
    socket = _socket(server.termination, ())
    return tuple(
        Chain(said.names, said.ranges, _bytes(view, scope, door, said.rule) + socket)
        for said in view.memo(rules_at, scope, door)
    )


def _refusing(view: View, opening: Opening) -> Iterator[Chain]:
    """Yield what closes connections for the names of a server that no rule takes, so that no wider server has them."""
    for door in opening.doors:
        names = door.server.server_names
        if door.server.isolated and door.server.tls and names:
            yield Chain(names, (), envoy.encode(envoy.FilterChain(filters=[network_filters.straight(view, NOWHERE)])))


def _bytes(view: View, scope: Scope, door: Door, rule: StreamRoute) -> bytes:
    if tls_passthrough.passes_on(door):
        return l4_filter_chains.of_rule(view, scope, rule, door.server.number, tls_passthrough.cluster).body
    return l4_filter_chains.of_rule(view, scope, rule, door.server.number).body


def _http(view: View, scope: Scope, door: Door) -> Chain:
    prefix = door.server.stat_prefix or f"outbound_{listener(door.server.bind or ANYWHERE, door.port)}"
    body = envoy.FilterChain(filters=[network_filters.http(view, scope, door.routes, prefix)])
    return Chain(door.server.server_names if door.server.tls else (), (), envoy.encode(body) + _tls(door))


def _tls(door: Door) -> bytes:
    return _socket(door.server.termination, HTTP_ALPN)


def _socket(said: Termination | None, speaks: tuple[str, ...]) -> bytes:
    """Return the socket as the chain's field; nothing where TLS is not taken off."""
    return envoy.encode(envoy.FilterChain(transport_socket=taken_off(said, speaks))) if said is not None else b""
