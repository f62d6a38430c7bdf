"""What a viewer can see: exportTo, who wins when several objects speak of one host."""

from mirrorplane.api.hosts import candidates, exported
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.proxy import Viewer
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import egress_hosts, sidecar_scope
from mirrorplane.translators.partitions import is_in, objects, parts

MESH = egress_hosts.MESH


def services(view: View, viewer: Viewer) -> int:
    """Return in how many parts the services that a viewer sees are asked for (see shards)."""
    if viewer.horizon is not None:
        return view.memo(egress_hosts.parts, viewer)
    return parts(view, "services", viewer.namespace)


def hosts(view: View, viewer: Viewer, part: int) -> tuple[str, ...]:
    """Return the hosts of the services that a viewer sees, sorted; those of one part."""
    if viewer.horizon is not None:
        return tuple(host for host in egress_hosts.hosts(view, viewer, part) if view.memo(service, viewer, host))
    of = view.memo(services, viewer)
    found = {
        service.host
        for obj in objects(view, "services", viewer.namespace, part, of)
        for service in view.lowered(obj.ref).services
        if is_in(service.host, part, of)
    }
    return tuple(sorted(found))


def all_hosts(view: View, viewer: Viewer) -> tuple[str, ...]:
    """Return the hosts of every service that a viewer sees."""
    return tuple(host for part in range(view.memo(services, viewer)) for host in view.memo(hosts, viewer, part))


def service(view: View, viewer: Viewer, host: str) -> Service | None:
    """Return the service that a host means to a viewer.

    Istio: one of the own namespace first, then Kubernetes' over a ServiceEntry's, then the oldest. With a Horizon it
    has the ports that may be called; see `listed` for what listeners know of it.
    """
    found = [
        service
        for obj in view.by("service.host", host)
        for service in view.lowered(obj.ref).services
        if service.host == host and exported(service.export_to, service.namespace, viewer.namespace)
    ]
    if viewer.horizon is not None:
        found = egress_hosts.offered(view, viewer, found)
    if len(found) == 1:
        return found[0]
    return min(
        found,
        key=lambda s: (s.namespace != viewer.namespace, "/" in s.ref.kind, s.created, s.ref.name, s.namespace),
        default=None,
    )


def listed(view: View, viewer: Viewer, host: str) -> Service | None:
    """Return the service of a host as listeners know it: with the ports on which clients may name it."""
    known = view.memo(service, viewer, host)
    return known if known is None or viewer.horizon is None else sidecar_scope.listed(view, viewer, known)


def http_ports(view: View, viewer: Viewer) -> tuple[int, ...]:
    """Return the port numbers on which some service takes HTTP, or may, sorted."""
    parts = range(view.memo(services, viewer))
    return tuple(sorted({number for part in parts for number in view.memo(_http_ports, viewer, part)}))


def http_hosts(view: View, viewer: Viewer, number: int, part: int) -> tuple[str, ...]:
    """Return the services of a part that take HTTP on a port, or may: the proxy looks at traffic nobody named."""
    return tuple(
        host
        for host, _, said in view.memo(ports_of, viewer, part)
        for port in said
        if port.number == number and not port.protocol.is_bytes
    )


def ports_of(view: View, viewer: Viewer, part: int) -> tuple[tuple[str, str, tuple[Port, ...]], ...]:
    """Return the hosts of a part, each with its age and its ports, UDP left out."""
    found = []
    for host in view.memo(hosts, viewer, part):
        seen = listed(view, viewer, host)
        if seen:
            found.append((host, seen.created, tuple(p for p in seen.ports if p.protocol is not Protocol.UDP)))
    return tuple(found)


def tables(view: View, viewer: Viewer, pattern: str) -> tuple[RouteTable, ...]:
    """Return the route tables for a viewer that name exactly this host or wildcard, winner first."""
    found = [
        table
        for obj in view.by("route.host", pattern)
        for table in view.lowered(obj.ref).tables
        if MESH in table.gateways and exported(table.export_to, table.ref.namespace, viewer.namespace)
    ]
    return tuple(sorted(found, key=lambda table: rank(viewer, table)))


def rank(viewer: Viewer, table: RouteTable) -> tuple[bool, bool, bool, str, str, str]:
    """Return a sort key for the tables that a viewer sees.

    Istio: private ones of the own namespace, then those exported to it by name, then public ones; oldest first. Of
    those as public, Istio's rules go before Gateway API's for one port of a service.
    """
    return ("*" in table.export_to, table.port != 0, table.ref.namespace != viewer.namespace, *table.age)


def tables_of(view: View, viewer: Viewer, host: str, port: int) -> tuple[RouteTable, ...]:
    """Return the route tables that speak of a host, winner first: the most specific name for it goes first (Istio).

    Those that hold for calls to a port: some are for one alone, and so is what a Horizon imports.
    """
    exact, *wider = candidates(host)
    found = (*tables(view, viewer, exact), *(view.memo(_wide_tables, viewer, wider[0]) if wider else ()))
    here = tuple(table for table in found if not table.port or table.port == port)
    if viewer.horizon is None:
        return here
    return tuple(table for table in here if sidecar_scope.holds(view, viewer, table, port))


def _wide_tables(view: View, viewer: Viewer, wildcard: str) -> tuple[RouteTable, ...]:
    """Return the tables for a wildcard and those above it; all hosts that it is the nearest of share the answer."""
    return tuple(table for pattern in candidates(wildcard) for table in tables(view, viewer, pattern))


def _http_ports(view: View, viewer: Viewer, part: int) -> tuple[int, ...]:
    said = (port for _, _, of_host in view.memo(ports_of, viewer, part) for port in of_host)
    return tuple(sorted({port.number for port in said if not port.protocol.is_bytes}))
