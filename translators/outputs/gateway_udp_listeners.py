"""UDP listeners of a router: one for each address and port of its gateways' servers."""

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import LISTENER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.parts import udp


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `address_port_udp`. One without a rule is not opened."""
    return (tuple(binding.name for binding in view.memo(udp.bindings, scope)),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener."""
    binding = next((b for b in view.memo(udp.bindings, scope) if b.name == name), None)
    rule = udp.rule_of(view, scope, binding) if binding is not None else None
    if binding is None or rule is None:
        return None
    body = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    address = body.address.socket_address
    address.address, address.port_value, address.protocol = binding.address, binding.port, envoy.SocketAddress.UDP
    # A UDP listener has no filter chains: the proxy is a listener filter.
    body.listener_filters.append(udp.proxy(view, scope, rule))
    return envoy.resource(LISTENER, name, envoy.encode(body))


OUTPUT = Output(LISTENER, names, build, serves=lambda scope: scope.role == ROUTER)
