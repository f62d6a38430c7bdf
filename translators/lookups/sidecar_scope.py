"""What a SidecarScope makes of one service, one route table, one port. Which of them there are is found by imports.

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


def sidecar_scope(view: View, visibility: Visibility) -> SidecarScope:
    """Return what limits a viewer that has limits. To be asked by memo, so that new findings change nothing."""
    assert visibility.sidecar is not None
    found = view.lowered(visibility.sidecar).sidecar_scopes
    return found[0].seen_from(visibility.namespace) if found else SidecarScope(visibility.sidecar)


def on_listeners(view: View, visibility: Visibility, service: Service) -> Service | None:
    """Return a service as listeners know it: with the ports whose listener imports it, and what those speak.

    None when none does: what is only named by tables has clusters, and no listener knows its name (Istio).
    """
    if visibility.sidecar is None:
        return service
    said = view.memo(sidecar_scope, visibility)
    known = [(p, said.listener(p.number)) for p in service.ports]
    ports = tuple(_spoken(p, by) for p, by in known if by and by.imports(service.namespace, service.host))
    if not ports:
        return None
    return service if ports == service.ports else msgspec.structs.replace(service, ports=ports)


def applies(view: View, visibility: Visibility, table: RouteTable, port: int) -> bool:
    """Tell whether a route table holds for calls to a port: the listener there imports one of its hosts (Istio)."""
    if visibility.sidecar is None:
        return True
    listener = view.memo(sidecar_scope, visibility).listener(port)
    return listener is not None and is_any_host_imported(listener, table)


def is_any_host_imported(listener: EgressListener, table: RouteTable) -> bool:
    """Tell whether a listener imports one of the hosts of a table, so that the table holds there."""
    return any(listener.speaks_of(table.ref.namespace, host) for host in table.hosts)


def listener_address(view: View, scope: Scope, port: int) -> tuple[str, bool]:
    """Return the address at which calls to a port are made, and whether a listener is really bound there."""
    if scope.visibility.sidecar is None:
        return scope.bind, not scope.intercepted
    listener = view.memo(sidecar_scope, scope.visibility).listener(port)
    if listener is None:
        return scope.bind, not scope.intercepted
    usual = LOOPBACK if listener.bound and scope.intercepted else scope.bind
    return listener.bind or usual, listener.bound or not scope.intercepted


def allows_undeclared(view: View, visibility: Visibility) -> bool | None:
    """Tell whether a SidecarScope lets requests to hosts through that nobody declared; None when it says nothing."""
    return view.memo(sidecar_scope, visibility).allow_any if visibility.sidecar else None


def forwarder(view: View, visibility: Visibility) -> Destination | None:
    """Return where such requests go, if they are let through and not simply passed on."""
    return view.memo(sidecar_scope, visibility).forwarder if visibility.sidecar else None


def _spoken(port: Port, listener: EgressListener) -> Port:
    return msgspec.structs.replace(port, protocol=Protocol(listener.protocol)) if listener.protocol else port
