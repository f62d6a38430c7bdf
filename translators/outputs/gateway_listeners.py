"""Listeners of a router for TCP: one for each address and port that the servers of its gateways want."""

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import LISTENER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.parts import gateway_filter_chains, inspectors, l4_filter_chains
from mirrorplane.translators.routers.servers import Opening, merged


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `address_port` (Istio). One that could do nothing with connections is not opened."""
    openings = (o for o in view.memo(merged, scope).openings if not o.datagrams)
    return (tuple(o.name for o in openings if view.memo(gateway_filter_chains.of_opening, scope, o)),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener."""
    opening = next((o for o in view.memo(merged, scope).openings if o.name == name), None)
    chains = view.memo(gateway_filter_chains.of_opening, scope, opening) if opening is not None else ()
    if opening is None or not chains:
        return None
    head = envoy.encode(_head(opening))
    uses = view.memo(gateway_filter_chains.routes, scope, opening)
    return envoy.resource(LISTENER, name, head, *l4_filter_chains.framed(chains), uses=uses)


def _head(opening: Opening) -> envoy.Listener:
    body = envoy.Listener(name=opening.name, traffic_direction="OUTBOUND")
    body.address.socket_address.CopyFrom(envoy.SocketAddress(address=opening.address, port_value=opening.port))
    if opening.doors[0].server.tls:
        inspectors.names_on(body)
    return body


OUTPUT = Output(LISTENER, names, build, serves=lambda scope: scope.role == ROUTER)
