"""Outbound listeners of a sidecar: for the ports of services, for services' own addresses, and for the HTTP proxy.

With interception they are not bound: `virtualOutbound` hands them the connections that were made to their address.
"""

from mirrorplane.api.proxy import LOOPBACK, OWN_PORTS, SIDECAR, Scope
from mirrorplane.api.resource import LISTENER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.contract import Output
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.sidecar_scope import listener_address
from mirrorplane.translators.partitions import Partition
from mirrorplane.translators.parts import outbound_filter_chains
from mirrorplane.translators.parts.outbound_filter_chains import FilterChains
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars import outbound_listeners

_PRIVILEGED = range(1, 1024)


def listeners(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names, `address_port` (Istio).

    Below port 1024 an unprivileged Envoy cannot bind, and would reject the whole listener, so there is none.
    """
    uses = {use.number for use in outbound_listeners.port_uses(view, scope.visibility, intercepted=scope.intercepted)}
    places = ((number, *listener_address(view, scope, number)) for number in sorted(uses))
    of_ports = (names.listener(address, n) for n, address, bound in places if not _is_barred(scope, n, bound=bound))
    partitions = view.memo(services.partitions, scope.visibility) if scope.intercepted else ()
    of_services = (view.memo(_service_listeners, scope.outbound, partition) for partition in partitions)
    return (tuple(dict.fromkeys((*of_ports, *_http_proxy(view, scope)))), *of_services)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener. On the HTTP proxy's port it is the proxy's: services on that port are reached through it."""
    address, _, port = name.rpartition("_")
    shared_address, bound = listener_address(view, scope, int(port))
    chains: FilterChains | None
    if (name,) == _http_proxy(view, scope):
        chains = outbound_filter_chains.http_proxy_chains(view, scope, name)
        bound = True
    elif address == shared_address:
        chains = outbound_filter_chains.port_chains(view, scope, name, int(port))
    else:
        chains = outbound_filter_chains.address_chains(view, scope, address, int(port))
        bound = not scope.intercepted
    if chains is None:
        return None
    head = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    head.address.socket_address.CopyFrom(envoy.SocketAddress(address=address, port_value=int(port)))
    if not bound:
        head.bind_to_port.value = False
    return envoy.resource(LISTENER, name, envoy.encode(head), *chains.fields, uses=chains.routes)


def _http_proxy(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the name of the HTTP proxy's listener, if there is one.

    With interception it is on loopback, where the kernel also delivers redirected connections: a listener on one of the
    sidecar's own ports there would be nearer than virtualOutbound's, and get them.
    """
    port = view.memo(mesh).proxy_http_port
    if scope.intercepted and port in OWN_PORTS:
        return ()
    return (names.listener(LOOPBACK if scope.intercepted else scope.bind, port),) if port else ()


def _is_barred(scope: Scope, number: int, *, bound: bool) -> bool:
    return (bound and scope.unprivileged and number in _PRIVILEGED) or (scope.intercepted and number in OWN_PORTS)


def _service_listeners(view: View, scope: Scope, partition: Partition) -> tuple[str, ...]:
    """Return the names of the listeners on the own addresses of a part of the services.

    Several services may share an address and port; the listener is listed with the oldest.
    """
    visibility, hosts = scope.visibility, view.memo(services.hosts, scope.visibility, partition)
    return tuple(
        names.listener(address, number)
        for address, number in outbound_listeners.address_listeners(view, visibility, partition)
        if number not in OWN_PORTS
        and outbound_listeners.services_at(view, visibility, address, number)[0][0].host in hosts
        and listener_address(view, scope, number)[0] != address
    )


OUTPUT = Output(
    LISTENER,
    listeners,
    build,
    cache_key=lambda scope: scope.outbound,
    serves=lambda scope: scope.role == SIDECAR,
)
