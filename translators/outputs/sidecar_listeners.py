"""Listeners of a sidecar for what goes out: one for each port that services have, for their own addresses, the proxy's.

With interception they are bound to nothing: `virtualOutbound` hands them the connections that were meant for them.
"""

from api.proxy import LOOPBACK, SIDECAR, Scope, Viewer
from api.resource import LISTENER, Resource
from api.view import View
from translators import arrivals, envoy, names, visible
from translators.contract import Output
from translators.parts import landings
from translators.parts.landings import Landing
from translators.settings import mesh

_PRIVILEGED = range(1, 1024)
_RESERVED = frozenset({15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090})
"""Ports that a sidecar with interception uses itself (Istio)."""


def listeners(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names, `address_port` (Istio). An unprivileged proxy binds none below port 1024: it could not."""
    uses = {use.number for use in arrivals.ports(view, scope.viewer, intercepted=scope.intercepted)}
    if scope.intercepted:
        parts = range(view.memo(visible.services, scope.viewer))
        own = (view.memo(_own, scope.viewer, part) for part in parts)
        shared = tuple(names.listener(scope.bind, number) for number in sorted(uses - _RESERVED))
        return ((*shared, *_proxy(view, scope)), *own)
    bound = sorted(n for n in uses if not (scope.unprivileged and n in _PRIVILEGED))
    return (tuple(dict.fromkeys((*(names.listener(scope.bind, n) for n in bound), *_proxy(view, scope)))),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener. The HTTP proxy's port is its own: a service on the same port is reached through it."""
    address, _, port = name.rpartition("_")
    proxies = (name,) == _proxy(view, scope)
    if proxies:
        found: Landing | None = landings.proxy(view, scope, name)
    elif address == scope.bind:
        found = landings.shared(view, scope, name, int(port))
    else:
        found = landings.own(view, scope, address, int(port))
    if found is None:
        return None
    head = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    head.address.socket_address.CopyFrom(envoy.SocketAddress(address=address, port_value=int(port)))
    if scope.intercepted and not proxies:
        head.bind_to_port.value = False
    return envoy.resource(LISTENER, name, envoy.encode(head), *found.frames, uses=found.routes)


def _proxy(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the name of the HTTP proxy's listener, which is bound to loopback, if there is one."""
    port = view.memo(mesh).proxy_http_port
    return (names.listener(LOOPBACK if scope.intercepted else scope.bind, port),) if port else ()


def _own(view: View, viewer: Viewer, part: int) -> tuple[str, ...]:
    """Return the names of the listeners of a part of the services' own addresses; the first of a place names it."""
    known = view.memo(visible.hosts, viewer, part)
    return tuple(
        names.listener(address, number)
        for address, number in arrivals.own(view, viewer, part)
        if number not in _RESERVED and arrivals.at(view, viewer, address, number)[0][0].host in known
    )


OUTPUT = Output(LISTENER, listeners, build, key=lambda scope: scope.client, serves=lambda scope: scope.role == SIDECAR)
