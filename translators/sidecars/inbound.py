"""What comes in to a workload with interception: the ports that services say it has, and what they speak."""

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
from mirrorplane.translators.names import outbound_cluster

INBOUND_PORT = 15006
"""Where all of it is taken in (Istio)."""


class InboundPort(msgspec.Struct, frozen=True):
    """A port of the workload: `service_port` is the one that clients of `host` call.

    What comes in goes to `address`, "" for the one that was dialled, and there to port `target`. `pool` limits it.
    """

    port: int
    protocol: Protocol
    host: str
    service_port: int
    address: str = ""
    target: int = 0
    pool: ConnectionPool | None = None


def inbound_ports(view: View, scope: Scope) -> tuple[InboundPort, ...]:
    """Return the ports by number: what a SidecarScope states, else what services say (Istio: Sidecar's ingress).

    Istio: the policy for the workload's own service limits inbound traffic too, unless the SidecarScope sets limits.
    The sidecar's own port is not one of the workload's: its traffic would loop back for ever, and is closed.
    """
    said = view.memo(sidecar_scope, scope.visibility) if scope.visibility.sidecar else None
    found = _stated(said) if said is not None and said.ingress else _of_services(view, scope, said)
    return tuple(sorted((each for each in found if each.port != INBOUND_PORT), key=lambda each: each.port))


def find_inbound_port(view: View, scope: Scope, number: int) -> InboundPort | None:
    """Return one of them, or None."""
    return next((each for each in view.memo(inbound_ports, scope) if each.port == number), None)


def _stated(said: SidecarScope) -> tuple[InboundPort, ...]:
    """Return the ingress ports of a SidecarScope; those bound to a listener of their own are not intercepted."""
    host = f"{said.ref.name}.{said.ref.namespace}"
    return tuple(
        InboundPort(
            each.port, Protocol(each.protocol), host, each.port, each.address, each.target, each.pool or said.pool
        )
        for each in said.ingress
        if not each.bound and Protocol(each.protocol) is not Protocol.UDP
    )


def _of_services(view: View, scope: Scope, said: SidecarScope | None) -> tuple[InboundPort, ...]:
    """Return the ports that services lead to. Where several lead to one, the oldest says what it speaks (Istio)."""
    found: dict[int, InboundPort] = {}
    for service in view.memo(workload_services, scope.namespace, scope.workload):
        for port in service.ports:
            if port.protocol is not Protocol.UDP:
                pool = said.pool if said is not None and said.pool else _limits(view, scope, service, port)
                for number in view.memo(target_ports, service, port):
                    entry = InboundPort(number, port.protocol, service.host, port.number, pool=pool)
                    found.setdefault(number, entry)
    return tuple(found.values())


def _limits(view: View, scope: Scope, service: Service, port: Port) -> ConnectionPool | None:
    """Return what the service's policy limits; which HTTP is spoken is for those who call it to choose."""
    pool = cluster_policy(view, scope.client, outbound_cluster(service.host, port.number)).connection_pool
    return pool if pool is None else msgspec.structs.replace(pool, http2=None, use_client_protocol=False)


def workload_services(view: View, namespace: str, labels: Labels) -> tuple[Service, ...]:
    """Return the services that select workloads with these labels, oldest first."""
    have = set(labels)
    found = [
        service
        for key, value in labels
        for obj in view.by("selector", f"{namespace}|{key}={value}")
        for service in view.lowered(obj.ref).services
        if set(service.selector) <= have
    ]
    return tuple(sorted(found, key=lambda s: (s.created, s.host)))


def target_ports(view: View, service: Service, port: Port) -> tuple[int, ...]:
    """Return the numbers behind a service's port: the one it states, and those that its workloads have for a name."""
    stated = (port.target_port or port.number,) if isinstance(port.target_port, int) else ()
    known = (e.port for e in port_endpoints(view, service, port))
    return tuple(sorted({*stated, *known}))
