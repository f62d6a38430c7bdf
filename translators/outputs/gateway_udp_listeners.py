"""Listeners of a router for UDP: one for each address and port that the servers of its gateways want."""

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import LISTENER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.parts import udp


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `address_port_udp`. One that nobody says anything of is not opened."""
    return (tuple(binding.name for binding in view.memo(udp.bindings, scope)),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener."""
    binding = next((o for o in view.memo(udp.bindings, scope) if o.name == name), None)
    rule = udp.rule_of(view, scope, binding) if binding is not None else None
    if binding is None or rule is None:
        return None
    body = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    where = body.address.socket_address
    where.address, where.port_value, where.protocol = binding.address, binding.port, envoy.SocketAddress.UDP
    body.listener_filters.append(udp.proxy(view, scope, rule))
    return envoy.resource(LISTENER, name, envoy.encode(body))


OUTPUT = Output(LISTENER, names, build, serves=lambda scope: scope.role == ROUTER)
