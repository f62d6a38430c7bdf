"""Listeners of a sidecar for what goes out: one for each port that services have, for their own addresses, the proxy's.

With interception they are bound to nothing: `virtualOutbound` hands them the connections that were meant for them.
"""

from mirrorplane.api.proxy import LOOPBACK, OWN_PORTS, SIDECAR, Scope
from mirrorplane.api.resource import LISTENER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.contract import Output
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.sidecar_scope import place
from mirrorplane.translators.parts import outbound_filter_chains
from mirrorplane.translators.parts.outbound_filter_chains import FilterChains
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars import outbound_listeners

_PRIVILEGED = range(1, 1024)


def listeners(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names, `address_port` (Istio). An unprivileged proxy binds none below port 1024: it could not."""
    uses = {use.number for use in outbound_listeners.ports(view, scope.visibility, intercepted=scope.intercepted)}
    places = ((number, *place(view, scope, number)) for number in sorted(uses))
    shared = (names.listener(address, n) for n, address, bound in places if not _is_barred(scope, n, bound=bound))
    parts = range(view.memo(services.services, scope.visibility)) if scope.intercepted else ()
    own = (view.memo(_own, scope.outbound, part) for part in parts)
    return (tuple(dict.fromkeys((*shared, *_proxy(view, scope)))), *own)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener. The HTTP proxy's port is its own: a service on the same port is reached through it."""
    address, _, port = name.rpartition("_")
    usual, bound = place(view, scope, int(port))
    if (name,) == _proxy(view, scope):
        found: FilterChains | None = outbound_filter_chains.proxy(view, scope, name)
        bound = True
    elif address == usual:
        found = outbound_filter_chains.shared(view, scope, name, int(port))
    else:
        found = outbound_filter_chains.own(view, scope, address, int(port))
        bound = not scope.intercepted
    if found is None:
        return None
    head = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    head.address.socket_address.CopyFrom(envoy.SocketAddress(address=address, port_value=int(port)))
    if not bound:
        head.bind_to_port.value = False
    return envoy.resource(LISTENER, name, envoy.encode(head), *found.frames, uses=found.routes)


def _proxy(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the name of the HTTP proxy's listener, which is bound to loopback, if there is one.

    On loopback the kernel also delivers what it brings to the sidecar's own ports, and the nearer address wins.
    """
    port = view.memo(mesh).proxy_http_port
    if scope.intercepted and port in OWN_PORTS:
        return ()
    return (names.listener(LOOPBACK if scope.intercepted else scope.bind, port),) if port else ()


def _is_barred(scope: Scope, number: int, *, bound: bool) -> bool:
    return (bound and scope.unprivileged and number in _PRIVILEGED) or (scope.intercepted and number in OWN_PORTS)


def _own(view: View, scope: Scope, part: int) -> tuple[str, ...]:
    """Return the names of the listeners of a part of the services' own addresses; the first of a place names it."""
    visibility, known = scope.visibility, view.memo(services.hosts, scope.visibility, part)
    return tuple(
        names.listener(address, number)
        for address, number in outbound_listeners.own(view, visibility, part)
        if number not in OWN_PORTS
        and outbound_listeners.at(view, visibility, address, number)[0][0].host in known
        and place(view, scope, number)[0] != address
    )


OUTPUT = Output(
    LISTENER, listeners, build, cache_key=lambda scope: scope.outbound, serves=lambda scope: scope.role == SIDECAR
)
