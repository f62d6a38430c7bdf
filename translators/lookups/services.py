"""Which services and route tables a proxy sees (exportTo), and which wins when several objects have one host."""

from mirrorplane.api import hosts as host_names
from mirrorplane.api.hosts import candidates, exported
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import egress_hosts, sidecar_scope
from mirrorplane.translators.lookups.partial_wildcards import partial_wildcards
from mirrorplane.translators.lookups.route_attachments import attached_tables
from mirrorplane.translators.lookups.service_entries import is_entry, merge_ports
from mirrorplane.translators.partitions import Partition, Partitions, visible_objects, visible_partitions

MESH = egress_hosts.MESH


def partitions(view: View, visibility: Visibility) -> Partitions:
    """Return the partitions in which the services that are visible to a proxy are read."""
    if visibility.sidecar is not None:
        return view.memo(egress_hosts.partitions, visibility)
    return visible_partitions(view, "services", visibility.namespace)


def hosts(view: View, visibility: Visibility, partition: Partition) -> tuple[str, ...]:
    """Return the hosts of a partition of the visible services, sorted."""
    if visibility.sidecar is not None:
        imported = egress_hosts.hosts(view, visibility, partition)
        return tuple(host for host in imported if view.memo(find_service, visibility, host))
    names = {
        service.host
        for obj in visible_objects(view, "services", visibility.namespace, partition)
        for service in view.lowered(obj.ref).services
        if partition.has(service.host)
    }
    return tuple(sorted(names))


def all_hosts(view: View, visibility: Visibility) -> tuple[str, ...]:
    """Return the hosts of every visible service."""
    return tuple(
        host for partition in view.memo(partitions, visibility) for host in view.memo(hosts, visibility, partition)
    )


def covered_hosts(view: View, visibility: Visibility, wildcard: str) -> tuple[str, ...]:
    """Return the hosts of the visible services that a wildcard covers, sorted."""
    return tuple(sorted(host_names.covered_hosts(wildcard, view.memo(_by_ending, visibility))))


def _by_ending(view: View, visibility: Visibility) -> tuple[str, ...]:
    return tuple(host_names.by_ending(all_hosts(view, visibility)))


def find_service(view: View, visibility: Visibility, host: str) -> Service | None:
    """Return the service that a host means to a proxy.

    Istio: one of the proxy's namespace first, then Kubernetes' over a ServiceEntry's, then the oldest. ServiceEntries
    of its namespace that differ from it in nothing but their ports and endpoints add their ports. With a SidecarScope
    it has the imported ports only; see `service_on_listeners` for those that listeners serve.
    """
    services = [
        service
        for obj in view.by("service.host", host)
        for service in view.lowered(obj.ref).services
        if service.host == host and exported(service.export_to, service.namespace, visibility.namespace)
    ]
    if visibility.sidecar is not None:
        services = egress_hosts.callable_services(view, visibility, services)
    if len(services) == 1:
        return services[0]
    winner = min(
        services,
        key=lambda s: (s.namespace != visibility.namespace, is_entry(s), s.created, s.ref.name, s.namespace),
        default=None,
    )
    return winner and merge_ports(winner, services)


def service_on_listeners(view: View, visibility: Visibility, host: str) -> Service | None:
    """Return the service of a host with the ports on which listeners serve it by name."""
    service = view.memo(find_service, visibility, host)
    if service is None or visibility.sidecar is None:
        return service
    return sidecar_scope.restrict_to_listeners(view, visibility, service)


def http_ports(view: View, visibility: Visibility) -> tuple[int, ...]:
    """Return the port numbers on which some service has HTTP, or a protocol that has to be detected, sorted."""
    numbers = {
        n for partition in view.memo(partitions, visibility) for n in view.memo(_http_ports, visibility, partition)
    }
    return tuple(sorted(numbers))


def http_hosts(view: View, visibility: Visibility, number: int, partition: Partition) -> tuple[str, ...]:
    """Return the hosts of a partition with HTTP on a port, or a protocol that the proxy has to detect."""
    return tuple(
        host
        for host, _, ports in view.memo(ports_of, visibility, partition)
        for port in ports
        if port.number == number and not port.protocol.is_l4
    )


def ports_of(view: View, visibility: Visibility, partition: Partition) -> tuple[tuple[str, str, tuple[Port, ...]], ...]:
    """Return the hosts of a partition, each with its creation time and its ports other than UDP."""
    entries = []
    for host in view.memo(hosts, visibility, partition):
        service = service_on_listeners(view, visibility, host)
        if service:
            entries.append((host, service.created, tuple(p for p in service.ports if p.protocol is not Protocol.UDP)))
    return tuple(entries)


def tables_for_name(view: View, visibility: Visibility, pattern: str) -> tuple[RouteTable, ...]:
    """Return the visible route tables that name exactly this host or wildcard, winner first."""
    tables = [
        table
        for obj in view.by("route.host", pattern)
        for table in attached_tables(view, obj.ref)
        if MESH in table.gateways and exported(table.export_to, table.ref.namespace, visibility.namespace)
    ]
    return tuple(sorted(tables, key=lambda table: table_rank(visibility, table)))


def table_rank(visibility: Visibility, table: RouteTable) -> tuple[bool, bool, bool, str, str, str]:
    """Return a sort key for the visible tables.

    Istio: private ones of the own namespace, then those exported to it by name, then public ones; oldest first. Among
    public ones Istio's rules go before Gateway API's for one port of a service. Only of the latter do those of the
    client's namespace go first; an older public VirtualService goes before one of the client's namespace (Istio:
    `VirtualServicesForGateway` in pilot/pkg/model/push_context.go).
    """
    public, foreign = "*" in table.export_to, table.ref.namespace != visibility.namespace
    is_service_route = table.port != 0
    return (public, is_service_route, foreign and (is_service_route or not public), *table.age)


def tables_for_host(view: View, visibility: Visibility, host: str, port: int) -> tuple[RouteTable, ...]:
    """Return the route tables for a host on a port, winner first: the most specific name for it goes first (Istio).

    Some tables are for one port, and a SidecarScope imports tables port by port.
    """
    tables = _covering_tables(view, visibility, host)
    on_port = tuple(table for table in tables if not table.port or table.port == port)
    if visibility.sidecar is None:
        return on_port
    return tuple(table for table in on_port if sidecar_scope.applies(view, visibility, table, port))


def _covering_tables(view: View, visibility: Visibility, host: str) -> tuple[RouteTable, ...]:
    """Return the tables for a host and for the wildcards that cover it, the most specific first."""
    exact, *wider = patterns = candidates(host)
    covering = candidates(host, view.memo(partial_wildcards, "route.host"))
    if covering != patterns:
        return tuple(table for pattern in covering for table in tables_for_name(view, visibility, pattern))
    wildcards = view.memo(_wildcard_tables, visibility, wider[0]) if wider else ()
    return (*tables_for_name(view, visibility, exact), *wildcards)


def _wildcard_tables(view: View, visibility: Visibility, wildcard: str) -> tuple[RouteTable, ...]:
    """Return the tables for a wildcard and those above it; all hosts directly below it share the answer."""
    return tuple(table for pattern in candidates(wildcard) for table in tables_for_name(view, visibility, pattern))


def _http_ports(view: View, visibility: Visibility, partition: Partition) -> tuple[int, ...]:
    every = (port for _, _, ports in view.memo(ports_of, visibility, partition) for port in ports)
    return tuple(sorted({port.number for port in every if not port.protocol.is_l4}))
