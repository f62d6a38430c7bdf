"""The effect of a SidecarScope on one service, one route table, one port. Which of them it imports: see egress_hosts.

A host means one service to a proxy, on all its listeners. Istio chooses for each listener, but clusters are named
for the host, so that two services of one host would get each other's requests. See decision 0075.
"""

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.proxy import LOOPBACK, Scope, Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.sidecar_scope import EgressListener, SidecarScope
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.aliases import resolve_destination


def sidecar_scope(view: View, visibility: Visibility) -> SidecarScope:
    """Return the SidecarScope of a proxy that has one. To be read by memo, so that new findings change nothing."""
    assert visibility.sidecar is not None
    scopes = view.lowered(visibility.sidecar).sidecar_scopes
    if not scopes:
        return SidecarScope(visibility.sidecar)
    spec = scopes[0].seen_from(visibility.namespace)
    return spec if spec.forwarder is None else _resolve_forwarder(view, spec, spec.forwarder)


def restrict_to_listeners(view: View, visibility: Visibility, service: Service) -> Service | None:
    """Return a service with the ports whose listener imports it, and the protocols of those listeners.

    None when no listener does: a host that is only a backend of tables has clusters and no name on listeners (Istio).
    """
    if visibility.sidecar is None:
        return service
    spec = view.memo(sidecar_scope, visibility)
    listeners = ((port, spec.listener(port.number)) for port in service.ports)
    ports = tuple(
        _with_protocol(port, listener)
        for port, listener in listeners
        if listener and listener.imports(service.namespace, service.host)
    )
    if not ports:
        return None
    return service if ports == service.ports else msgspec.structs.replace(service, ports=ports)


def applies(view: View, visibility: Visibility, table: RouteTable, port: int) -> bool:
    """Tell whether a route table applies to a port: the listener there imports one of its hosts (Istio)."""
    if visibility.sidecar is None:
        return True
    listener = view.memo(sidecar_scope, visibility).listener(port)
    return listener is not None and is_any_host_imported(listener, table)


def is_any_host_imported(listener: EgressListener, table: RouteTable) -> bool:
    """Tell whether a listener imports one of the hosts of a table, so that the table applies there."""
    return any(listener.speaks_of(table.ref.namespace, host) for host in table.hosts)


def listener_address(view: View, scope: Scope, port: int) -> tuple[str, bool]:
    """Return the address of the listener for a port, and whether it is really bound and not handed connections."""
    if scope.visibility.sidecar is None:
        return scope.bind, not scope.intercepted
    listener = view.memo(sidecar_scope, scope.visibility).listener(port)
    if listener is None:
        return scope.bind, not scope.intercepted
    # Istio: a listener with captureMode NONE is for calls to localhost, unless it says `bind`.
    default = LOOPBACK if listener.bound and scope.intercepted else scope.bind
    return listener.bind or default, listener.bound or not scope.intercepted


def allows_undeclared(view: View, visibility: Visibility) -> bool | None:
    """Tell whether a SidecarScope allows calls to undeclared hosts; None when it leaves that to the mesh."""
    return view.memo(sidecar_scope, visibility).allow_any if visibility.sidecar else None


def forwarder(view: View, visibility: Visibility) -> Destination | None:
    """Return the egress proxy that such calls are sent to, if there is one."""
    return view.memo(sidecar_scope, visibility).forwarder if visibility.sidecar else None


def _resolve_forwarder(view: View, spec: SidecarScope, forwarder: Destination) -> SidecarScope:
    return msgspec.structs.replace(spec, forwarder=resolve_destination(view, forwarder))


def _with_protocol(port: Port, listener: EgressListener) -> Port:
    return msgspec.structs.replace(port, protocol=Protocol(listener.protocol)) if listener.protocol else port
