"""What a namespace can see: exportTo, who wins when several objects speak of one host, and which ports that makes."""

import msgspec

from api.hosts import candidates, exported
from api.mesh import Port, Protocol, Service
from api.routes import RouteTable
from api.view import View
from translators.shards import is_in, keys, parts

MESH = "mesh"
_NOT_HTTP = frozenset({Protocol.TCP, Protocol.UDP})
_SAYS_HTTP = frozenset({Protocol.HTTP, Protocol.HTTP2})


class PortUse(msgspec.Struct, frozen=True):
    """What a namespace's services use a port number for.

    `http`: some take HTTP there, or may. `only_http`: all say that they do. `first`: when and by whom the number was
    first taken for something that does not say it is HTTP; such traffic can go nowhere else.
    """

    number: int
    http: bool
    only_http: bool
    first: tuple[str, str] | None


def services(view: View, namespace: str) -> int:
    """Return in how many parts the services that a namespace sees are asked for (see shards)."""
    return parts(view, "services", namespace)


def hosts(view: View, namespace: str, part: int) -> tuple[str, ...]:
    """Return the hosts of the services that a namespace sees, sorted; those of one part."""
    of = view.memo(services, namespace)
    found = {
        service.host
        for key in keys(view, "services", namespace, part, of)
        for obj in view.by("services", key)
        for service in view.lowered(obj.ref).services
        if is_in(service.host, part, of)
    }
    return tuple(sorted(found))


def all_hosts(view: View, namespace: str) -> tuple[str, ...]:
    """Return the hosts of every service that a namespace sees."""
    return tuple(host for part in range(view.memo(services, namespace)) for host in view.memo(hosts, namespace, part))


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
    if len(found) == 1:
        return found[0]
    return min(
        found,
        key=lambda s: (s.namespace != namespace, "/" in s.ref.kind, s.created, s.ref.name, s.namespace),
        default=None,
    )


def ports(view: View, namespace: str) -> tuple[PortUse, ...]:
    """Return the port numbers that a namespace's services use, sorted."""
    found: dict[int, PortUse] = {}
    for part in range(view.memo(services, namespace)):
        for use in view.memo(_uses, namespace, part):
            known = found.get(use.number)
            found[use.number] = _together(known, use) if known else use
    return tuple(found[number] for number in sorted(found))


def use_of(view: View, namespace: str, number: int) -> PortUse | None:
    """Return what a port number is used for, or None when no service has it."""
    return next((use for use in view.memo(ports, namespace) if use.number == number), None)


def http_hosts(view: View, namespace: str, number: int, part: int) -> tuple[str, ...]:
    """Return the services of a part that take HTTP on a port, or may: the proxy looks at traffic nobody named."""
    return tuple(
        host
        for host, _, said in view.memo(_ports, namespace, part)
        for port in said
        if port.number == number and port.protocol not in _NOT_HTTP
    )


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


def tables_of(view: View, namespace: str, host: str) -> tuple[RouteTable, ...]:
    """Return the route tables that speak of a host, winner first: the most specific name for it goes first (Istio)."""
    exact, *wider = candidates(host)
    return (*tables(view, namespace, exact), *(view.memo(_wide_tables, namespace, wider[0]) if wider else ()))


def _wide_tables(view: View, namespace: str, wildcard: str) -> tuple[RouteTable, ...]:
    """Return the tables for a wildcard and those above it; all hosts that it is the nearest of share the answer."""
    return tuple(table for pattern in candidates(wildcard) for table in tables(view, namespace, pattern))


def _ports(view: View, namespace: str, part: int) -> tuple[tuple[str, str, tuple[Port, ...]], ...]:
    """Return the hosts of a part, each with its age and its ports, UDP left out."""
    found = []
    for host in view.memo(hosts, namespace, part):
        seen = view.memo(service, namespace, host)
        if seen:
            found.append((host, seen.created, tuple(p for p in seen.ports if p.protocol is not Protocol.UDP)))
    return tuple(found)


def _uses(view: View, namespace: str, part: int) -> tuple[PortUse, ...]:
    found: dict[int, PortUse] = {}
    for host, created, said in view.memo(_ports, namespace, part):
        for port in said:
            says_http = port.protocol in _SAYS_HTTP
            first = None if says_http else (created, host)
            use = PortUse(port.number, port.protocol is not Protocol.TCP, says_http, first)
            known = found.get(port.number)
            found[port.number] = _together(known, use) if known else use
    return tuple(found[number] for number in sorted(found))


def _together(one: PortUse, other: PortUse) -> PortUse:
    taken = [first for first in (one.first, other.first) if first]
    return PortUse(one.number, one.http or other.http, one.only_http and other.only_http, min(taken) if taken else None)
