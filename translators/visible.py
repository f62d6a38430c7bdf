"""What a namespace can see: exportTo, and who wins when several objects speak of one host."""

from api.hosts import exported
from api.mesh import Port, Protocol, RouteTable, Service
from api.view import View

MESH = "mesh"


def hosts(view: View, namespace: str) -> tuple[str, ...]:
    """Return the hosts of every service that a namespace sees, sorted."""
    found = {
        service.host
        for obj in view.by("services", "*")
        for service in view.lowered(obj.ref).services
        if exported(service.export_to, service.namespace, namespace)
    }
    return tuple(sorted(found))


def service(view: View, namespace: str, host: str) -> Service | None:
    """Return the service that a host means to a namespace.

    Istio: one of the own namespace first, then Kubernetes' over a ServiceEntry's, then the oldest.
    """
    found = [
        service
        for obj in view.by("service.host", host)
        for service in view.lowered(obj.ref).services
        if service.host == host and exported(service.export_to, service.namespace, namespace)
    ]
    return min(
        found,
        key=lambda s: (s.namespace != namespace, "/" in s.ref.kind, s.created, s.ref.name, s.namespace),
        default=None,
    )


def ports(view: View, namespace: str) -> tuple[tuple[int, tuple[tuple[str, Port], ...]], ...]:
    """Return, by port number, which hosts listen there; the oldest service first."""
    found: dict[int, list[tuple[str, str, Port]]] = {}
    for host in view.memo(hosts, namespace):
        seen = view.memo(service, namespace, host)
        for port in seen.ports if seen else ():
            if seen and port.protocol is not Protocol.UDP:
                found.setdefault(port.number, []).append((seen.created, host, port))
    ordered = {number: sorted(entries, key=lambda e: e[:2]) for number, entries in found.items()}
    return tuple((number, tuple((host, port) for _, host, port in ordered[number])) for number in sorted(ordered))


def on_port(view: View, namespace: str, number: int) -> tuple[tuple[str, Port], ...]:
    """Return which hosts listen on one port number; the oldest service first."""
    return dict(view.memo(ports, namespace)).get(number, ())


def tables(view: View, namespace: str, pattern: str) -> tuple[RouteTable, ...]:
    """Return the route tables for clients of a namespace that name exactly this host or wildcard, winner first.

    Istio: private ones of the own namespace, then those exported to it by name, then public ones; oldest first.
    """
    found = [
        table
        for obj in view.by("route.host", pattern)
        for table in view.lowered(obj.ref).tables
        if MESH in table.gateways and exported(table.export_to, table.ref.namespace, namespace)
    ]
    return tuple(sorted(found, key=lambda t: ("*" in t.export_to, t.ref.namespace != namespace, *t.age)))
