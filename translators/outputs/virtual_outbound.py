"""The listener that the kernel sends to what a workload calls; it hands connections to the listeners meant for them."""

from api.proxy import Scope, Viewer
from api.resource import LISTENER, Resource
from api.view import View
from translators import envoy
from translators.contract import Output
from translators.lookups import unknown
from translators.names import ANYWHERE, BLACK_HOLE, VIRTUAL_OUTBOUND
from translators.parts import chains

PORT = 15001


def listeners(_: View, __: Scope) -> tuple[tuple[str, ...]]:
    """Return the one name."""
    return ((VIRTUAL_OUTBOUND,),)


def build(view: View, viewer: Viewer, name: str) -> Resource:
    """Return the listener. What is meant for it itself would come back for ever, and is closed."""
    body = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    body.address.socket_address.CopyFrom(envoy.SocketAddress(address=ANYWHERE, port_value=PORT))
    body.use_original_dst.value = True
    loop = body.filter_chains.add(name="virtualOutbound-blackhole", filters=[chains.straight(view, BLACK_HOLE)])
    loop.filter_chain_match.destination_port.value = PORT
    rest = chains.straight(view, unknown(view, viewer))
    body.filter_chains.add(name="virtualOutbound-catchall-tcp", filters=[rest])
    return envoy.resource(LISTENER, name, envoy.encode(body))


OUTPUT = Output(LISTENER, listeners, build, key=lambda scope: scope.viewer, serves=lambda scope: scope.intercepted)
