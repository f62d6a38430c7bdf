"""Listeners of a router for UDP: one for each address and port that the servers of its gateways want."""

from api.proxy import ROUTER, Scope
from api.resource import LISTENER, Resource
from api.view import View
from translators import envoy
from translators.contract import Output
from translators.parts import datagrams


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `address_port_udp`. One that nobody says anything of is not opened."""
    return (tuple(opening.name for opening in view.memo(datagrams.openings, scope)),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener."""
    opening = next((o for o in view.memo(datagrams.openings, scope) if o.name == name), None)
    rule = datagrams.rule_of(view, scope, opening) if opening is not None else None
    if opening is None or rule is None:
        return None
    body = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    where = body.address.socket_address
    where.address, where.port_value, where.protocol = opening.address, opening.port, envoy.SocketAddress.UDP
    body.listener_filters.append(datagrams.proxy(view, scope, rule))
    return envoy.resource(LISTENER, name, envoy.encode(body))


OUTPUT = Output(LISTENER, names, build, serves=lambda scope: scope.role == ROUTER)
