"""The listener that the kernel sends to what comes in to a workload: its ports, as its services say what they speak.

What no service has goes straight to the workload, unread: there the workload may be the one that speaks first.
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
from mirrorplane.translators.sidecars.inbound import PORT, Entry, entries

_TRIES = 2


def listeners(_: View, __: Scope) -> tuple[tuple[str, ...]]:
    """Return the one name."""
    return ((VIRTUAL_INBOUND,),)


def build(view: View, scope: Scope, name: str) -> Resource:
    """Return the listener."""
    body, found = envoy.Listener(name=name, traffic_direction="INBOUND"), view.memo(entries, scope)
    body.address.socket_address.CopyFrom(envoy.SocketAddress(address=ANY_ADDRESS, port_value=PORT))
    inspectors.restore_original_dst(body)
    inspectors.detect_http(
        body, [entry.port for entry in found if entry.protocol is Protocol.AUTO], view.memo(mesh).detection_ms
    )
    loop = body.filter_chains.add(
        name="virtualInbound-blackhole", filters=[network_filters.tcp_fixed(view, BLACK_HOLE)]
    )
    loop.filter_chain_match.destination_port.value = PORT
    for entry in found:
        _add(view, scope, body, entry)
    rest = envoy.FilterChain(name=VIRTUAL_INBOUND, filters=[network_filters.tcp_fixed(view, INBOUND_PASSTHROUGH)])
    body.default_filter_chain.CopyFrom(rest)
    return envoy.resource(LISTENER, name, envoy.encode(body))


def _add(view: View, scope: Scope, body: envoy.Listener, entry: Entry) -> None:
    """Add the chains of one port; where nobody says what it speaks, one for HTTP and one for all else."""
    port = f"{ANY_ADDRESS}_{entry.port}"
    if not entry.protocol.is_l4:
        chain = body.filter_chains.add(name=port, filters=[_http(view, scope, entry)])
        chain.filter_chain_match.destination_port.value = entry.port
        if entry.protocol is Protocol.AUTO:
            chain.filter_chain_match.application_protocols.extend(network_filters.HTTP_ALPN)
    if not entry.protocol.is_http:
        chain = body.filter_chains.add(
            name=port, filters=[network_filters.tcp_fixed(view, inbound(entry.port), entry.pool)]
        )
        chain.filter_chain_match.destination_port.value = entry.port


def _http(view: View, scope: Scope, entry: Entry) -> envoy.Filter:
    """Return what takes requests: all of them go to the workload, whatever they ask for."""
    cluster = inbound(entry.port)
    routes = envoy.RouteConfiguration(name=cluster)
    routes.validate_clusters.value = False
    host = routes.virtual_hosts.add(name=f"inbound|http|{entry.service_port}", domains=["*"])
    route = host.routes.add(name="default", match=envoy.RouteMatch(prefix="/"))
    route.decorator.operation = f"{entry.host}:{entry.service_port}/*"
    route.route.cluster = cluster
    route.route.timeout.CopyFrom(envoy.duration(0))
    if entry.protocol is not Protocol.HTTP2:
        route.route.retry_policy.retry_on = "reset-before-request"
        route.route.retry_policy.num_retries.value = _TRIES
    return network_filters.http(view, scope, routes, f"inbound_{ANY_ADDRESS}_{entry.port}")


OUTPUT = Output(LISTENER, listeners, build, serves=lambda scope: scope.intercepted)
