"""What a limited viewer may call: services on ports, and the tables that speak of them (Istio: Sidecar's egress).

Names are looked up, and only wildcards are searched for, in parts (see shards). What a table that holds sends to is
imported with it (Istio). Every viewer here has a SidecarScope.
"""

from collections.abc import Iterator

from mirrorplane.api.actions import Destination
from mirrorplane.api.hosts import candidates, covers, exported
from mirrorplane.api.mesh import Service
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.sidecar_scope import HostSelector, SidecarScope
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.sidecar_scope import sidecar_scope, speaks
from mirrorplane.translators.partitions import COUNT, SHORT, is_in, objects, shard

MESH = "mesh"
Ports = tuple[int, ...]
"""Port numbers; 0 stands for all."""


def parts(view: View, visibility: Visibility) -> int:
    """Return in how many parts what a viewer sees is asked for: COUNT, or 1 when it is short."""
    said = view.memo(sidecar_scope, visibility)
    exact = sum(len(each.hosts.exact) for each in said.egress)
    wide = sum(len(found(view, visibility, to)) for to in _namespaces(said) for found in (_services, _tables))
    return COUNT if exact + wide > SHORT else 1


def hosts(view: View, visibility: Visibility, part: int) -> tuple[str, ...]:
    """Return the hosts of a part that may be imported, sorted: `offered` says whether and how."""
    said, of = view.memo(sidecar_scope, visibility), view.memo(parts, visibility)
    found = {name for each in said.egress for name in each.hosts.exact if is_in(name, part, of)}
    found |= {host for host, _ in view.memo(_named_in, visibility, part)}
    patterns = {wide.host for each in said.egress for wide in each.hosts.wide}
    for to in _namespaces(said):
        for service in (s for obj in _services(view, visibility, to, part, of) for s in view.lowered(obj.ref).services):
            if is_in(service.host, part, of) and any(covers(pattern, service.host) for pattern in patterns):
                found.add(service.host)
    return tuple(sorted(found))


def offered(view: View, visibility: Visibility, found: list[Service]) -> list[Service]:
    """Return of the services of one host those that a viewer may call, each with the ports that it may.

    Istio: what a listener imports goes before what is only named by a table that holds there. Those are only asked
    where that can matter, so that a change of a table does not touch every service.
    """
    if not found:
        return found
    said = view.memo(sidecar_scope, visibility)
    imported = [(s, ports) for s in found if (ports := _imported_ports(said, s))]
    if imported and all(0 in ports for _, ports in imported):
        return [s for s, _ in imported]
    named = _named_ports(view, visibility, said, found[0].host)
    chosen = imported or ([(s, ()) for s in found] if named else [])
    return [less for s, ports in chosen if (less := s.with_ports({*ports, *named})).ports]


def tables(view: View, visibility: Visibility, part: int) -> tuple[Ref, ...]:
    """Return the objects whose tables may hold for a viewer and speak of hosts of a part, sorted."""
    said, of = view.memo(sidecar_scope, visibility), view.memo(parts, visibility)
    found = {obj.ref for to in _namespaces(said) for obj in _tables(view, visibility, to, part, of)}
    found |= {ref for ref, places in view.memo(_by_name, visibility) if of == 1 or part in places}
    return tuple(sorted(found))


def is_for(table: RouteTable, visibility: Visibility) -> bool:
    """Tell whether a table is for sidecars, and shown to the namespace of a viewer."""
    return MESH in table.gateways and exported(table.export_to, table.ref.namespace, visibility.namespace)


def _by_name(view: View, visibility: Visibility) -> tuple[tuple[Ref, frozenset[int]], ...]:
    """Return the objects with tables for names that are imported, each with its shards, sorted."""
    names = {name for each in view.memo(sidecar_scope, visibility).egress for name in each.hosts.exact}
    return tuple(sorted({said for name in names for said in view.memo(_of_name, name)}, key=lambda said: said[0]))


def _of_name(view: View, name: str) -> tuple[tuple[Ref, frozenset[int]], ...]:
    """Return the objects with tables for a name, or for a wildcard above it, each with the shards of its hosts."""
    refs = {obj.ref for pattern in candidates(name) for obj in view.by("route.host", pattern)}
    return tuple(
        (ref, frozenset(shard(host) for table in view.lowered(ref).tables for host in table.hosts))
        for ref in sorted(refs)
    )


def _named_in(view: View, visibility: Visibility, part: int) -> tuple[tuple[str, Ports], ...]:
    """Return the hosts of a part that tables which hold send to, with the ports that they name."""
    if view.memo(sidecar_scope, visibility).is_unlimited:
        return ()
    of = view.memo(parts, visibility)
    return tuple((host, ports) for host, ports in view.memo(_named, visibility) if is_in(host, part, of))


def _named(view: View, visibility: Visibility) -> tuple[tuple[str, Ports], ...]:
    """Return all hosts that tables which hold send to, or the SidecarScope itself, with the ports that they name."""
    forwarder = view.memo(sidecar_scope, visibility).forwarder
    said = [(forwarder.host, forwarder.port)] if forwarder else []
    said += (named for part in range(view.memo(parts, visibility)) for named in view.memo(_named_by, visibility, part))
    found: dict[str, set[int]] = {}
    for host, port in said:
        found.setdefault(host, set()).add(port)
    return tuple((host, tuple(sorted(found[host]))) for host in sorted(found))


def _named_by(view: View, visibility: Visibility, part: int) -> tuple[tuple[str, int], ...]:
    """Return what the tables of a part send to, copies too, as hosts and ports.

    Istio: rules for clients of other namespaces do not count.
    """
    egress = view.memo(sidecar_scope, visibility).egress
    found = {
        (to.host, to.port)
        for ref in view.memo(tables, visibility, part)
        for table in view.lowered(ref).tables
        if is_for(table, visibility) and any(speaks(each, table) for each in egress)
        for to in _targets(table, visibility.namespace)
    }
    return tuple(sorted(found))


def _targets(table: RouteTable, namespace: str) -> Iterator[Destination]:
    """Yield where rules of a table that can hold for clients of a namespace send and copy to, and whom they ask."""
    for route in (each for each in table.routes if each.match.source_namespace in {"", namespace}):
        yield from (to for to in route.destinations if not to.fails)
        yield from (mirror.destination for mirror in route.mirrors)
        if route.authorization is not None:
            yield route.authorization.destination
    for stream in (each for each in table.l4_routes if each.match.source_namespace in {"", namespace}):
        yield from stream.destinations


def _named_ports(view: View, visibility: Visibility, said: SidecarScope, host: str) -> Ports:
    if said.is_unlimited:
        return ()
    part = shard(host) if view.memo(parts, visibility) > 1 else 0
    return dict(view.memo(_named_in, visibility, part)).get(host, ())


def _imported_ports(said: SidecarScope, service: Service) -> Ports:
    """Return the ports of a service that listeners import; the one for all other ports imports the whole (Istio)."""
    numbers = {0, *(port.number for port in service.ports)}
    importing = (each.port for each in said.egress if each.imports(service.namespace, service.host))
    return tuple(port for port in importing if port in numbers)


def _namespaces(said: SidecarScope) -> tuple[str, ...]:
    """Return the namespaces that wildcards are searched in; `*` is all of them."""
    found = {wide.namespace for each in said.egress for wide in each.hosts.wide}
    return (HostSelector.ANY,) if HostSelector.ANY in found else tuple(sorted(found))


def _services(view: View, visibility: Visibility, namespace: str, part: int = 0, of: int = 1) -> list[AnyObject]:
    """Return the objects with services of a namespace, of a part; `*`: those that the viewer's can see."""
    if namespace != HostSelector.ANY:
        return list(view.by("services.of", namespace if of == 1 else f"{namespace}|{part}"))
    return list(objects(view, "services", visibility.namespace, part, of))


def _tables(view: View, visibility: Visibility, namespace: str, part: int = 0, of: int = 1) -> list[AnyObject]:
    """Return the objects with tables of a namespace, of a part; `*`: those that the viewer's can see."""
    if namespace != HostSelector.ANY:
        return list(view.by("routes.of", namespace if of == 1 else f"{namespace}|{part}"))
    return list(objects(view, "routes", visibility.namespace, part, of))
