"""What a viewer can see: exportTo, who wins when several objects speak of one host."""

from mirrorplane.api.hosts import candidates, exported
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import egress_hosts, sidecar_scope
from mirrorplane.translators.partitions import Partition, Partitions, visible_objects, visible_partitions

MESH = egress_hosts.MESH


def partitions(view: View, visibility: Visibility) -> Partitions:
    """Return the partitions in which the services that are visible to a proxy are read."""
    if visibility.sidecar is not None:
        return view.memo(egress_hosts.partitions, visibility)
    return visible_partitions(view, "services", visibility.namespace)


def hosts(view: View, visibility: Visibility, partition: Partition) -> tuple[str, ...]:
    """Return the hosts of the services that a viewer sees, sorted; those of one part."""
    if visibility.sidecar is not None:
        return tuple(
            host
            for host in egress_hosts.hosts(view, visibility, partition)
            if view.memo(find_service, visibility, host)
        )
    found = {
        service.host
        for obj in visible_objects(view, "services", visibility.namespace, partition)
        for service in view.lowered(obj.ref).services
        if partition.has(service.host)
    }
    return tuple(sorted(found))


def all_hosts(view: View, visibility: Visibility) -> tuple[str, ...]:
    """Return the hosts of every service that a viewer sees."""
    return tuple(host for each in view.memo(partitions, visibility) for host in view.memo(hosts, visibility, each))


def find_service(view: View, visibility: Visibility, host: str) -> Service | None:
    """Return the service that a host means to a viewer.

    Istio: one of the own namespace first, then Kubernetes' over a ServiceEntry's, then the oldest. With a SidecarScope
    it has the imported ports only; see `service_on_listeners` for what listeners know of it.
    """
    found = [
        service
        for obj in view.by("service.host", host)
        for service in view.lowered(obj.ref).services
        if service.host == host and exported(service.export_to, service.namespace, visibility.namespace)
    ]
    if visibility.sidecar is not None:
        found = egress_hosts.callable_services(view, visibility, found)
    if len(found) == 1:
        return found[0]
    return min(
        found,
        key=lambda s: (s.namespace != visibility.namespace, "/" in s.ref.kind, s.created, s.ref.name, s.namespace),
        default=None,
    )


def service_on_listeners(view: View, visibility: Visibility, host: str) -> Service | None:
    """Return the service of a host as listeners know it: with the ports on which clients may name it."""
    known = view.memo(find_service, visibility, host)
    return known if known is None or visibility.sidecar is None else sidecar_scope.on_listeners(view, visibility, known)


def http_ports(view: View, visibility: Visibility) -> tuple[int, ...]:
    """Return the port numbers on which some service takes HTTP, or may, sorted."""
    numbers = {n for each in view.memo(partitions, visibility) for n in view.memo(_http_ports, visibility, each)}
    return tuple(sorted(numbers))


def http_hosts(view: View, visibility: Visibility, number: int, partition: Partition) -> tuple[str, ...]:
    """Return the services of a part that take HTTP on a port, or may: the proxy looks at traffic nobody named."""
    return tuple(
        host
        for host, _, said in view.memo(ports_of, visibility, partition)
        for port in said
        if port.number == number and not port.protocol.is_l4
    )


def ports_of(view: View, visibility: Visibility, partition: Partition) -> tuple[tuple[str, str, tuple[Port, ...]], ...]:
    """Return the hosts of a part, each with its age and its ports, UDP left out."""
    found = []
    for host in view.memo(hosts, visibility, partition):
        seen = service_on_listeners(view, visibility, host)
        if seen:
            found.append((host, seen.created, tuple(p for p in seen.ports if p.protocol is not Protocol.UDP)))
    return tuple(found)


def tables_for_name(view: View, visibility: Visibility, pattern: str) -> tuple[RouteTable, ...]:
    """Return the route tables for a viewer that name exactly this host or wildcard, winner first."""
    found = [
        table
        for obj in view.by("route.host", pattern)
        for table in view.lowered(obj.ref).tables
        if MESH in table.gateways and exported(table.export_to, table.ref.namespace, visibility.namespace)
    ]
    return tuple(sorted(found, key=lambda table: table_rank(visibility, table)))


def table_rank(visibility: Visibility, table: RouteTable) -> tuple[bool, bool, bool, str, str, str]:
    """Return a sort key for the tables that a viewer sees.

    Istio: private ones of the own namespace, then those exported to it by name, then public ones; oldest first. Of
    those as public, Istio's rules go before Gateway API's for one port of a service.
    """
    return ("*" in table.export_to, table.port != 0, table.ref.namespace != visibility.namespace, *table.age)


def tables_for_host(view: View, visibility: Visibility, host: str, port: int) -> tuple[RouteTable, ...]:
    """Return the route tables that speak of a host, winner first: the most specific name for it goes first (Istio).

    Those that hold for calls to a port: some are for one alone, and so is what a SidecarScope imports.
    """
    exact, *wider = candidates(host)
    found = (
        *tables_for_name(view, visibility, exact),
        *(view.memo(_wide_tables, visibility, wider[0]) if wider else ()),
    )
    here = tuple(table for table in found if not table.port or table.port == port)
    if visibility.sidecar is None:
        return here
    return tuple(table for table in here if sidecar_scope.applies(view, visibility, table, port))


def _wide_tables(view: View, visibility: Visibility, wildcard: str) -> tuple[RouteTable, ...]:
    """Return the tables for a wildcard and those above it; all hosts that it is the nearest of share the answer."""
    return tuple(table for pattern in candidates(wildcard) for table in tables_for_name(view, visibility, pattern))


def _http_ports(view: View, visibility: Visibility, partition: Partition) -> tuple[int, ...]:
    said = (port for _, _, of_host in view.memo(ports_of, visibility, partition) for port in of_host)
    return tuple(sorted({port.number for port in said if not port.protocol.is_l4}))
