"""TCP listeners of a router: one for each address and port of its gateways' servers."""

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import LISTENER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.parts import gateway_filter_chains, inspectors, l4_filter_chains
from mirrorplane.translators.routers.servers import ListenerBinding, merge_servers


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `address_port` (Istio). One without filter chains is not opened."""
    bindings = (b for b in view.memo(merge_servers, scope).bindings if not b.udp)
    return (tuple(b.name for b in bindings if view.memo(gateway_filter_chains.listener_chains, scope, b)),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener."""
    binding = next((b for b in view.memo(merge_servers, scope).bindings if b.name == name), None)
    chains = view.memo(gateway_filter_chains.listener_chains, scope, binding) if binding is not None else ()
    if binding is None or not chains:
        return None
    head = envoy.encode(_head(binding))
    uses = view.memo(gateway_filter_chains.routes, scope, binding)
    return envoy.resource(LISTENER, name, head, *l4_filter_chains.encode_chains(chains), uses=uses)


def _head(binding: ListenerBinding) -> envoy.Listener:
    # OUTBOUND at routers too, as in Istio.
    body = envoy.Listener(name=binding.name, traffic_direction="OUTBOUND")
    body.address.socket_address.CopyFrom(envoy.SocketAddress(address=binding.address, port_value=binding.port))
    if binding.gateway_servers[0].server.tls:
        inspectors.read_server_name(body)
    return body


OUTPUT = Output(LISTENER, names, build, serves=lambda scope: scope.role == ROUTER)
