"""What a proxy with a SidecarScope may call: services and their ports, and the route tables for them (Istio: egress).

Every Visibility here has a SidecarScope. Exact hosts are looked up by name, and only wildcards are searched, in
partitions. The backends of a table that applies are imported with the table (Istio).
"""

from collections.abc import Iterator

from mirrorplane.api.actions import Destination
from mirrorplane.api.hosts import candidates, covering_pattern, exported
from mirrorplane.api.mesh import Service
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.sidecar_scope import HostSelector, SidecarScope
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.partial_wildcards import partial_wildcards
from mirrorplane.translators.lookups.route_attachments import attached_tables
from mirrorplane.translators.lookups.sidecar_scope import is_any_host_imported, sidecar_scope
from mirrorplane.translators.partitions import (
    WHOLE,
    Partition,
    Partitions,
    partition_index,
    partition_of,
    partitions_of_size,
    visible_objects,
)

MESH = "mesh"
Ports = tuple[int, ...]
"""Port numbers; 0 stands for all."""


def partitions(view: View, visibility: Visibility) -> Partitions:
    """Return the partitions in which what a proxy may call is read."""
    spec = view.memo(sidecar_scope, visibility)
    exact = sum(len(listener.hosts.exact) for listener in spec.egress)
    lists = (f(view, visibility, namespace) for namespace in _searched_namespaces(spec) for f in (_services, _tables))
    return partitions_of_size(exact + sum(map(len, lists)))


def hosts(view: View, visibility: Visibility, partition: Partition) -> tuple[str, ...]:
    """Return the hosts of a partition that may be imported, sorted; `callable_services` decides whether they are."""
    spec = view.memo(sidecar_scope, visibility)
    names = {name for listener in spec.egress for name in listener.hosts.exact if partition.has(name)}
    names |= {host for host, _ in view.memo(_backends_in, visibility, partition)}
    patterns = {pattern.host for listener in spec.egress for pattern in listener.hosts.wide}
    for namespace in _searched_namespaces(spec):
        for obj in _services(view, visibility, namespace, partition):
            for service in view.lowered(obj.ref).services:
                if partition.has(service.host) and covering_pattern(patterns, service.host):
                    names.add(service.host)
    return tuple(sorted(names))


def callable_services(view: View, visibility: Visibility, services: list[Service]) -> list[Service]:
    """Return, of the services of one host, those that a proxy may call, each with the ports that it may call.

    Istio: a service that a listener imports goes before one that is only the backend of a table. Tables are asked only
    where that matters, so that a change of a table does not touch every service.
    """
    if not services:
        return services
    spec = view.memo(sidecar_scope, visibility)
    imported = [(s, ports) for s in services if (ports := _imported_ports(spec, s))]
    if imported and all(0 in ports for _, ports in imported):
        return [s for s, _ in imported]
    backend_ports = _backend_ports(view, visibility, spec, services[0].host)
    selected = imported or ([(s, ()) for s in services] if backend_ports else [])
    return [limited for s, ports in selected if (limited := s.with_ports({*ports, *backend_ports})).ports]


def tables(view: View, visibility: Visibility, partition: Partition) -> tuple[Ref, ...]:
    """Return the objects whose tables may apply to a proxy and name hosts of a partition, sorted."""
    spec = view.memo(sidecar_scope, visibility)
    refs = {
        obj.ref for namespace in _searched_namespaces(spec) for obj in _tables(view, visibility, namespace, partition)
    }
    exact = view.memo(_tables_of_exact_hosts, visibility)
    refs |= {ref for ref, indexes in exact if partition == WHOLE or partition.index in indexes}
    return tuple(sorted(refs))


def is_for(table: RouteTable, visibility: Visibility) -> bool:
    """Tell whether a table is for sidecars, and exported to the namespace of a proxy."""
    return MESH in table.gateways and exported(table.export_to, table.ref.namespace, visibility.namespace)


def _tables_of_exact_hosts(view: View, visibility: Visibility) -> tuple[tuple[Ref, frozenset[int]], ...]:
    """Return the objects with tables for imported exact hosts, each with the partitions of its hosts, sorted."""
    names = {name for listener in view.memo(sidecar_scope, visibility).egress for name in listener.hosts.exact}
    entries = {entry for name in names for entry in view.memo(_tables_for_name, name)}
    return tuple(sorted(entries, key=lambda entry: entry[0]))


def _tables_for_name(view: View, name: str) -> tuple[tuple[Ref, frozenset[int]], ...]:
    """Return the objects with tables for a name or a wildcard above it, each with the partitions of its hosts."""
    patterns = candidates(name, view.memo(partial_wildcards, "route.host"))
    refs = {obj.ref for pattern in patterns for obj in view.by("route.host", pattern)}
    return tuple(
        (ref, frozenset(partition_index(host) for table in view.lowered(ref).tables for host in table.hosts))
        for ref in sorted(refs)
    )


def _backends_in(view: View, visibility: Visibility, partition: Partition) -> tuple[tuple[str, Ports], ...]:
    """Return the hosts of a partition that are backends of tables that apply, with the ports that are named."""
    if view.memo(sidecar_scope, visibility).is_unlimited:
        return ()
    return tuple((host, ports) for host, ports in view.memo(_backends, visibility) if partition.has(host))


def _backends(view: View, visibility: Visibility) -> tuple[tuple[str, Ports], ...]:
    """Return the hosts that tables which apply send to, and the SidecarScope's forwarder, with the named ports."""
    forwarder = view.memo(sidecar_scope, visibility).forwarder
    ports_by_host: dict[str, set[int]] = {forwarder.host: {forwarder.port}} if forwarder else {}
    for partition in view.memo(partitions, visibility):
        for host, port in view.memo(_backends_of_tables, visibility, partition):
            ports_by_host.setdefault(host, set()).add(port)
    return tuple((host, tuple(sorted(ports_by_host[host]))) for host in sorted(ports_by_host))


def _backends_of_tables(view: View, visibility: Visibility, partition: Partition) -> tuple[tuple[str, int], ...]:
    """Return what the tables of a partition send and mirror to, as hosts and ports.

    Istio: rules for clients of other namespaces do not count.
    """
    egress = view.memo(sidecar_scope, visibility).egress
    backends = {
        (destination.host, destination.port)
        for ref in view.memo(tables, visibility, partition)
        for table in attached_tables(view, ref)
        if is_for(table, visibility) and any(is_any_host_imported(listener, table) for listener in egress)
        for destination in _destinations(table, visibility.namespace)
    }
    return tuple(sorted(backends))


def _destinations(table: RouteTable, namespace: str) -> Iterator[Destination]:
    """Yield the destinations of rules that can apply to clients of a namespace: backends, mirrors, authorization."""
    for route in (rule for rule in table.routes if rule.match.source_namespace in {"", namespace}):
        yield from (destination for destination in route.destinations if not destination.fails)
        yield from (mirror.destination for mirror in route.mirrors)
        if route.authorization is not None:
            yield route.authorization.destination
    for l4_route in (rule for rule in table.l4_routes if rule.match.source_namespace in {"", namespace}):
        yield from l4_route.destinations


def _backend_ports(view: View, visibility: Visibility, spec: SidecarScope, host: str) -> Ports:
    if spec.is_unlimited:
        return ()
    partition = partition_of(host, view.memo(partitions, visibility))
    return dict(view.memo(_backends_in, visibility, partition)).get(host, ())


def _imported_ports(spec: SidecarScope, service: Service) -> Ports:
    """Return the ports of a service that listeners import; the listener of all other ports imports every port."""
    numbers = {0, *(port.number for port in service.ports)}
    importing = (listener.port for listener in spec.egress if listener.imports(service.namespace, service.host))
    return tuple(port for port in importing if port in numbers)


def _searched_namespaces(spec: SidecarScope) -> tuple[str, ...]:
    """Return the namespaces that wildcards are searched in; `*` is all of them."""
    namespaces = {pattern.namespace for listener in spec.egress for pattern in listener.hosts.wide}
    return (HostSelector.ANY,) if HostSelector.ANY in namespaces else tuple(sorted(namespaces))


def _services(view: View, visibility: Visibility, namespace: str, partition: Partition = WHOLE) -> list[AnyObject]:
    """Return the objects of a partition that declare services in a namespace; `*`: in any, if the proxy sees them."""
    if namespace != HostSelector.ANY:
        return list(view.by("services.by_namespace", partition.key(namespace)))
    return list(visible_objects(view, "services", visibility.namespace, partition))


def _tables(view: View, visibility: Visibility, namespace: str, partition: Partition = WHOLE) -> list[AnyObject]:
    """Return the objects of a partition with route tables in a namespace; `*`: in any, if the proxy sees them."""
    if namespace != HostSelector.ANY:
        return list(view.by("routes.by_namespace", partition.key(namespace)))
    return list(visible_objects(view, "routes", visibility.namespace, partition))
