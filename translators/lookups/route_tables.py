"""Which route table owns a host on a port, and which of its routes may match the requests of a client."""

from mirrorplane.api.matches import L4Match, Match, Op
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Scope, Visibility
from mirrorplane.api.routes import Route
from mirrorplane.api.units import MILLION
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import egress_hosts, sidecar_scope
from mirrorplane.translators.lookups import services as visible
from mirrorplane.translators.lookups.aliases import resolve_alias
from mirrorplane.translators.lookups.precedence import by_precision
from mirrorplane.translators.partitions import Partition, partition_of, visible_objects

# Istio (buildSidecarVirtualHostsForVirtualService): a host that the registry does not have is HTTP on port 80.
_FOREIGN_PORT = 80


def owning_routes(view: View, scope: Scope, host: str, port: int) -> tuple[Route, ...] | None:
    """Return the routes for a host of the first table with any that may match this client; None without one.

    Istio: the most specific host first, then the winner among its tables; a table without such routes owns nothing.
    Gateway API: the routes of a service are merged, those of the client's namespace or else those of the service's.
    """
    tables = visible.tables_for_host(view, scope.visibility, host, port)
    for table in tables:
        if table.port:
            merged = (
                other_table
                for other_table in tables
                if other_table.port and other_table.ref.namespace == table.ref.namespace
            )
            return tuple(ranked.route for ranked in by_precision(merged))
        routes = tuple(r for r in table.routes if may_match(r.match, scope, port))
        if routes:
            return routes
    return None


def has_service_routes(view: View, visibility: Visibility, host: str, port: int) -> bool:
    """Tell whether Gateway API's routes of a service decide about requests to a port of it."""
    partition = partition_of(host, view.memo(visible.partitions, visibility))
    return (host, port) in view.memo(ports_with_service_routes, visibility, partition)


def ports_with_service_routes(view: View, visibility: Visibility, partition: Partition) -> frozenset[tuple[str, int]]:
    """Return the hosts of a partition and their ports where Gateway API's routes of the service win."""
    attached = {
        (host, table.port)
        for obj in view.by("service_parent.routes", partition.key("*"))
        for table in view.lowered(obj.ref).tables
        if table.port and egress_hosts.is_for(table, visibility)
        for host in table.hosts
        if partition.has(host)
    }
    winners = ((place, visible.tables_for_host(view, visibility, *place)[:1]) for place in attached)
    return frozenset(place for place, tables in winners if any(table.port for table in tables))


def foreign_hosts(view: View, scope: Scope, port: int, partition: Partition) -> tuple[str, ...]:
    """Return the hosts of a partition that route tables name and no service has, where a port serves them.

    Istio: they are served on the HTTP ports of the table's other hosts, and on port 80 when it has none.
    """
    candidates = {host for host, ports in view.memo(_foreign_in, scope.visibility, partition) if port in ports}
    return tuple(host for host in candidates if owning_routes(view, scope, host, port) is not None)


def _foreign_in(view: View, visibility: Visibility, partition: Partition) -> tuple[tuple[str, frozenset[int]], ...]:
    tables = (view.memo(_foreign, visibility, ref) for ref in _with_tables(view, visibility, partition))
    return tuple((host, ports) for foreign in tables for host, ports in foreign if partition.has(host))


def _with_tables(view: View, visibility: Visibility, partition: Partition) -> tuple[Ref, ...]:
    """Return the objects whose tables may name hosts of a partition."""
    if visibility.sidecar is not None:
        return view.memo(egress_hosts.tables, visibility, partition)
    return tuple(obj.ref for obj in visible_objects(view, "routes", visibility.namespace, partition))


def _foreign(view: View, visibility: Visibility, ref: Ref) -> tuple[tuple[str, frozenset[int]], ...]:
    """Return the hosts of an object's tables that no service has, each with the ports that serve it.

    Istio: rules for an alias apply to requests for exactly that name, and not to those for its service.
    """
    foreign: list[tuple[str, frozenset[int]]] = []
    for table in view.lowered(ref).tables:
        if table.port or not egress_hosts.is_for(table, visibility):
            continue
        ports_by_host = {host: _ports_of(view, visibility, resolve_alias(view, host)) for host in table.hosts}
        ports = set().union(*ports_by_host.values()) or {_FOREIGN_PORT}
        serving = frozenset(port for port in ports if sidecar_scope.applies(view, visibility, table, port))
        foreign += [
            (host, serving)
            for host, own_ports in ports_by_host.items()
            if not own_ports or resolve_alias(view, host) != host
        ]
    return tuple(foreign)


def _ports_of(view: View, visibility: Visibility, host: str) -> set[int]:
    """Return the HTTP ports of the services that a host or wildcard of a table covers."""
    if not host.startswith("*"):
        services = [visible.service_on_listeners(view, visibility, host)]
    else:
        hosts = visible.covered_hosts(view, visibility, host)
        services = [visible.service_on_listeners(view, visibility, h) for h in hosts]
    return {p.number for s in services if s for p in s.ports if not p.protocol.is_l4}


def may_match(match: Match | L4Match, scope: Scope, port: int, gateway: str = visible.MESH) -> bool:
    """Tell whether a match can apply to clients of a scope on a port. A list of gateways overrides source fields."""
    if match.port not in {0, port}:
        return False
    if match.gateways:
        return gateway in match.gateways
    return set(match.source_labels) <= set(scope.labels) and match.source_namespace in {"", scope.namespace}


def matches_everything(match: Match) -> bool:
    """Tell whether every request matches, so that later routes are never reached (Istio)."""
    # Only spelled like this: Istio's IsCatchAllRoute does not take `/.*` for one either.
    any_path = (match.path.op, match.path.value) in {(Op.PREFIX, "/"), (Op.REGEX, ".*")}
    return any_path and not match.headers and not match.query and match.fraction == MILLION
