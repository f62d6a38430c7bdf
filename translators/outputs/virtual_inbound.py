"""`virtualInbound`, the listener to which the kernel redirects inbound connections: a filter chain for each port.

Ports that no service has are forwarded to the workload without reading: its protocol may have the server speak first.
"""

from mirrorplane.api.mesh import Protocol
from mirrorplane.api.proxy import Scope
from mirrorplane.api.resource import LISTENER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.names import ANY_ADDRESS, BLACK_HOLE, INBOUND_PASSTHROUGH, VIRTUAL_INBOUND, inbound
from mirrorplane.translators.parts import inspectors, network_filters
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars.inbound import INBOUND_PORT, InboundPort, inbound_ports

# Istio's default for inbound requests.
_RETRIES = 2


def listeners(_: View, __: Scope) -> tuple[tuple[str, ...]]:
    """Return the one name."""
    return ((VIRTUAL_INBOUND,),)


def build(view: View, scope: Scope, name: str) -> Resource:
    """Return the listener. Connections to its own port would come back to it for ever, and are closed."""
    body, ports = envoy.Listener(name=name, traffic_direction="INBOUND"), view.memo(inbound_ports, scope)
    body.address.socket_address.CopyFrom(envoy.SocketAddress(address=ANY_ADDRESS, port_value=INBOUND_PORT))
    inspectors.restore_original_dst(body)
    undeclared = [port.port for port in ports if port.protocol is Protocol.AUTO]
    inspectors.detect_http(body, undeclared, view.memo(mesh).detection_ms)
    black_hole = network_filters.tcp_fixed(view, BLACK_HOLE)
    loop = body.filter_chains.add(name="virtualInbound-blackhole", filters=[black_hole])
    loop.filter_chain_match.destination_port.value = INBOUND_PORT
    for port in ports:
        _add_chains(view, scope, body, port)
    passthrough = network_filters.tcp_fixed(view, INBOUND_PASSTHROUGH)
    body.default_filter_chain.CopyFrom(envoy.FilterChain(name=VIRTUAL_INBOUND, filters=[passthrough]))
    return envoy.resource(LISTENER, name, envoy.encode(body))


def _add_chains(view: View, scope: Scope, body: envoy.Listener, port: InboundPort) -> None:
    """Add the chains of one port; where its protocol is detected, one for HTTP and one for everything else."""
    name = f"{ANY_ADDRESS}_{port.port}"
    if not port.protocol.is_l4:
        chain = body.filter_chains.add(name=name, filters=[_http(view, scope, port)])
        chain.filter_chain_match.destination_port.value = port.port
        if port.protocol is Protocol.AUTO:
            chain.filter_chain_match.application_protocols.extend(network_filters.DETECTED_HTTP)
    if not port.protocol.is_http:
        proxy = network_filters.tcp_fixed(view, inbound(port.port), port.pool)
        chain = body.filter_chains.add(name=name, filters=[proxy])
        chain.filter_chain_match.destination_port.value = port.port


def _http(view: View, scope: Scope, port: InboundPort) -> envoy.Filter:
    """Return an HTTP connection manager that sends all requests to the workload, whatever their Host."""
    cluster = inbound(port.port)
    routes = envoy.RouteConfiguration(name=cluster)
    routes.validate_clusters.value = False  # the listener may arrive before the cluster
    # The names of virtual host, route and decorator are Istio's.
    host = routes.virtual_hosts.add(name=f"inbound|http|{port.service_port}", domains=["*"])
    route = host.routes.add(name="default", match=envoy.RouteMatch(prefix="/"))
    route.decorator.operation = f"{port.host}:{port.service_port}/*"
    route.route.cluster = cluster
    # None here: the client's side has one (Istio).
    route.route.timeout.CopyFrom(envoy.duration(0))
    if port.protocol is not Protocol.HTTP2:
        # The workload may close an idle connection just as Envoy reuses it; nothing was sent then (Istio).
        route.route.retry_policy.retry_on = "reset-before-request"
        route.route.retry_policy.num_retries.value = _RETRIES
    return network_filters.http(view, scope, routes, f"inbound_{ANY_ADDRESS}_{port.port}")


OUTPUT = Output(LISTENER, listeners, build, serves=lambda scope: scope.intercepted)
