"""`virtualOutbound`, the listener to which the kernel redirects outbound connections: it passes them on to others."""

from mirrorplane.api.proxy import Scope, Visibility
from mirrorplane.api.resource import LISTENER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.lookups.policies import undeclared_cluster
from mirrorplane.translators.names import ANY_ADDRESS, BLACK_HOLE, VIRTUAL_OUTBOUND
from mirrorplane.translators.parts import network_filters

# Istio's, to which the iptables rules redirect.
PORT = 15001


def listeners(_: View, __: Scope) -> tuple[tuple[str, ...]]:
    """Return the one name."""
    return ((VIRTUAL_OUTBOUND,),)


def build(view: View, visibility: Visibility, name: str) -> Resource:
    """Return the listener. Connections to its own port would come back to it for ever, and are closed."""
    body = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    body.address.socket_address.CopyFrom(envoy.SocketAddress(address=ANY_ADDRESS, port_value=PORT))
    # Envoy moves a connection to the listener of the original destination address; the chains here are for all others.
    body.use_original_dst.value = True
    black_hole = network_filters.tcp_fixed(view, BLACK_HOLE)
    loop = body.filter_chains.add(name="virtualOutbound-blackhole", filters=[black_hole])
    loop.filter_chain_match.destination_port.value = PORT
    other_addresses = network_filters.tcp_fixed(view, undeclared_cluster(view, visibility))
    body.filter_chains.add(name="virtualOutbound-catchall-tcp", filters=[other_addresses])
    return envoy.resource(LISTENER, name, envoy.encode(body))


OUTPUT = Output(
    LISTENER,
    listeners,
    build,
    cache_key=lambda scope: scope.visibility,
    serves=lambda scope: scope.intercepted,
)
