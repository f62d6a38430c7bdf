"""The ports of a workload behind an intercepting sidecar, and their protocols, as its services declare them."""

from collections.abc import Iterable, Iterator

import msgspec

from mirrorplane.api.cluster_policy import ConnectionPool
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.meta import Labels
from mirrorplane.api.proxy import Scope
from mirrorplane.api.sidecar_scope import SidecarScope
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.endpoints import port_endpoints
from mirrorplane.translators.lookups.policies import cluster_policy
from mirrorplane.translators.lookups.sidecar_scope import sidecar_scope
from mirrorplane.translators.lookups.workload_addresses import selecting_services, services_at_address
from mirrorplane.translators.names import outbound_cluster

INBOUND_PORT = 15006
"""The sidecar's port that all inbound connections are redirected to (Istio)."""


class InboundPort(msgspec.Struct, frozen=True):
    """A port of the workload: `service_port` is the one that clients of `host` call.

    Inbound traffic is forwarded to port `target` of `address`; "" is the original destination. `pool` limits it.
    """

    port: int
    protocol: Protocol
    host: str
    service_port: int
    address: str = ""
    target: int = 0
    pool: ConnectionPool | None = None


def inbound_ports(view: View, scope: Scope) -> tuple[InboundPort, ...]:
    """Return the ports by number: those of a SidecarScope's ingress, else those of services (Istio).

    Istio: the policy for the workload's own service limits inbound traffic too, unless the SidecarScope has limits.
    The sidecar's own port is left out: traffic that is forwarded to it would loop.
    """
    sidecar = view.memo(sidecar_scope, scope.visibility) if scope.visibility.sidecar else None
    ports = _ingress_ports(sidecar) if sidecar is not None and sidecar.ingress else _service_ports(view, scope, sidecar)
    return tuple(sorted((port for port in ports if port.port != INBOUND_PORT), key=lambda port: port.port))


def find_inbound_port(view: View, scope: Scope, number: int) -> InboundPort | None:
    """Return an inbound port by number, or None."""
    return next((port for port in view.memo(inbound_ports, scope) if port.port == number), None)


def workload_services(view: View, namespace: str, labels: Labels) -> tuple[Service, ...]:
    """Return the services that select workloads with these labels, oldest first."""
    return tuple(sorted(selecting_services(view, namespace, labels), key=_age))


def target_ports(view: View, service: Service, port: Port) -> tuple[int, ...]:
    """Return the numbers behind a service's port: its target port, or those that its workloads have for a name."""
    declared = (port.target_port or port.number,) if isinstance(port.target_port, int) else ()
    resolved = (endpoint.port for endpoint in port_endpoints(view, service, port))
    return tuple(sorted({*declared, *resolved}))


def _ingress_ports(sidecar: SidecarScope) -> tuple[InboundPort, ...]:
    """Return the ingress ports of a SidecarScope; those with a listener that is really bound are not intercepted."""
    host = f"{sidecar.ref.name}.{sidecar.ref.namespace}"
    return tuple(
        InboundPort(
            listener.port,
            Protocol(listener.protocol),
            host,
            listener.port,
            listener.address,
            listener.target,
            listener.pool or sidecar.pool,
        )
        for listener in sidecar.ingress
        if not listener.bound and Protocol(listener.protocol) is not Protocol.UDP
    )


def _service_ports(view: View, scope: Scope, sidecar: SidecarScope | None) -> tuple[InboundPort, ...]:
    """Return the ports that services target. Where several target one, the oldest decides its protocol (Istio)."""
    by_number: dict[int, InboundPort] = {}
    for service, port, numbers in sorted(_targets(view, scope), key=lambda target: _age(target[0])):
        pool = sidecar.pool if sidecar is not None and sidecar.pool else _limits(view, scope, service, port)
        for number in numbers:
            inbound = InboundPort(number, port.protocol, service.host, port.number, pool=pool)
            by_number.setdefault(number, inbound)
    return tuple(by_number.values())


def _targets(view: View, scope: Scope) -> Iterator[tuple[Service, Port, Iterable[int]]]:
    """Yield the services of a workload with their ports, and its own ports for each: by labels and by address."""
    for service in view.memo(workload_services, scope.namespace, scope.workload_labels):
        yield from ((service, port, view.memo(target_ports, service, port)) for port in _tcp_ports(service))
    address = scope.workload_address
    for service in services_at_address(view, scope.namespace, address) if address else ():
        for port in _tcp_ports(service):
            endpoints = port_endpoints(view, service, port)
            yield service, port, sorted({endpoint.port for endpoint in endpoints if endpoint.address == address})


def _tcp_ports(service: Service) -> Iterator[Port]:
    yield from (port for port in service.ports if port.protocol is not Protocol.UDP)


def _age(service: Service) -> tuple[str, str]:
    return service.created, service.host


def _limits(view: View, scope: Scope, service: Service, port: Port) -> ConnectionPool | None:
    """Return the limits of the service's policy, without the HTTP version, which is a choice of its clients."""
    pool = cluster_policy(view, scope.client, outbound_cluster(service.host, port.number)).connection_pool
    return pool if pool is None else msgspec.structs.replace(pool, http2=None, use_client_protocol=False)
