"""The intersection of server hosts and route hosts: what a router serves in a route configuration, with the rules.

Hosts are read in partitions, as services are: a change of rules affects the partitions of its hosts alone.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.gateways import EVERYWHERE, Server, includes
from mirrorplane.api.hosts import candidates, exported, is_partial
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.partial_wildcards import partial_wildcards
from mirrorplane.translators.lookups.precedence import Ranked, by_precision, table_age
from mirrorplane.translators.lookups.route_attachments import attached_tables
from mirrorplane.translators.lookups.route_tables import matches_everything, may_match
from mirrorplane.translators.lookups.services import table_rank
from mirrorplane.translators.partitions import WHOLE, Partition, Partitions, partitions_of_size
from mirrorplane.translators.routers.misdirected import hosts_of_other_listeners
from mirrorplane.translators.routers.servers import GatewayServer, gateway_servers

Place = tuple[GatewayServer, str]
"""A listener of Gateway API, and the key of its routes in an index."""


class HostRules(msgspec.Struct, frozen=True):
    """A host and the rules for it: the routes of all Istio's tables that have it, in order.

    `places` are where the routes of Gateway API are looked up, in these `partitions`: they follow (`precise_rules`).
    `https_only`: plain HTTP is redirected to HTTPS. `always_served`: there is a virtual host even without routes.
    """

    host: str
    routes: tuple[Route, ...]
    places: tuple[Place, ...] = ()
    partitions: Partitions = (WHOLE,)
    https_only: bool = False
    always_served: bool = False


def partitions(view: View, scope: Scope, route_config_name: str) -> Partitions:
    """Return the partitions in which the hosts of a route configuration are read."""
    servers = view.memo(gateway_servers, scope, route_config_name)
    objects = sum(len(view.by("gateway.routes", name)) for name in {server.gateway for server in servers})
    return partitions_of_size(objects + sum(len(server.server.hosts) for server in servers))


def hosts(view: View, scope: Scope, route_config_name: str, partition: Partition) -> tuple[str, ...]:
    """Return the hosts of a partition, sorted.

    Istio: of a server's host and a rule's, the more specific is served. A server that redirects to HTTPS does so for
    all of its hosts.
    """
    names = set()
    for gateway_server in view.memo(gateway_servers, scope, route_config_name):
        names |= {host for host in _rule_hosts(view, scope, gateway_server, partition) if partition.has(host)}
        always_served = gateway_server.server.redirect or gateway_server.server.isolated
        for host in (served.host for served in gateway_server.server.hosts if partition.has(served.host)):
            if always_served or any(_istio_tables(view, scope, _covering(view, scope, route_config_name, host), host)):
                names.add(host)
    return tuple(sorted(names - view.memo(hosts_of_other_listeners, scope, route_config_name)))


def find_host_rules(view: View, scope: Scope, route_config_name: str, host: str) -> HostRules:
    """Return the rules for a host.

    Istio: the rules of several tables are appended, oldest first, and rules that match every request go last. Gateway
    API: the rules of all tables are sorted by specificity (`precise_rules`). Where both APIs have rules, Istio's go
    first.
    """
    servers = view.memo(gateway_servers, scope, route_config_name)
    covering = tuple(_covering(view, scope, route_config_name, host))
    tables = {(table.ref, gateway): table for table, gateway in _istio_tables(view, scope, covering, host)}
    found = [
        route
        for (_, gateway), table in sorted(tables.items(), key=lambda item: table_rank(scope.visibility, item[1]))
        for route in _reachable(table, scope, servers[0].server.number, gateway)
    ]
    # Servers that share a configuration may name one gateway twice; its routes count once.
    unique = found if len(servers) == 1 else dict.fromkeys(found)
    places = tuple(_places(view, covering, host))
    return HostRules(
        host,
        tuple(sorted(unique, key=lambda route: matches_everything(route.match))),
        places,
        partitions_of_size(sum(len(view.by("gateway.host", key)) for _, key in places)),
        https_only=next((server.server.redirect for server in covering), False),
        always_served=any(server.server.isolated and host in _served_hosts(view, server) for server in covering),
    )


def precise_rules(
    view: View, scope: Scope, host: str, places: tuple[Place, ...], partition: Partition
) -> tuple[Ranked, ...]:
    """Return the rules of Gateway API for a host, the most specific first.

    Only those of the objects of a partition: thousands of routes may share a host.
    """
    tables = {
        (table.ref, table.section_name, gateway_server.gateway): table
        for gateway_server, key in places
        for obj in view.by("gateway.host", partition.key(key))
        for table in attached_tables(view, obj.ref)
        if host in table.hosts and _is_at(table, scope, gateway_server)
    }
    return by_precision(tables.values())


def server_tables(view: View, scope: Scope, gateway_server: GatewayServer) -> tuple[RouteTable, ...]:
    """Return the tables at a server that share a host with it, winner first.

    Gateway API: the oldest, then by `namespace/name`.
    """
    tables = [
        table
        for obj in view.by("gateway.routes", gateway_server.gateway)
        for table in attached_tables(view, obj.ref)
        if _is_at(table, scope, gateway_server)
        and any(_is_admitted(view, gateway_server, table, host) for host in table.hosts)
    ]
    if gateway_server.server.isolated:
        return tuple(sorted(tables, key=table_age))
    return tuple(sorted(tables, key=lambda table: table_rank(scope.visibility, table)))


def _rule_hosts(view: View, scope: Scope, gateway_server: GatewayServer, partition: Partition) -> Iterator[str]:
    """Yield the hosts of rules in a partition that a server serves."""
    key = partition.key(gateway_server.gateway)
    nested = partitions_of_size(len(view.by("gateway.routes", key))) if partition != WHOLE else (WHOLE,)
    if nested == (WHOLE,):
        claims = _claims(view, scope, gateway_server, key)
    else:
        every = (view.memo(_claims, scope, gateway_server, inner.key(key)) for inner in nested)
        claims = frozenset().union(*every)
    yield from (host for host, namespace in claims if _serves(view, gateway_server, namespace, host))


def _claims(view: View, scope: Scope, gateway_server: GatewayServer, key: str) -> frozenset[tuple[str, str]]:
    """Return the hosts of rules at a server, each with the namespace of its object."""
    return frozenset(
        (host, table.ref.namespace)
        for obj in view.by("gateway.routes", key)
        for table in view.lowered(obj.ref).tables
        if _is_at(table, scope, gateway_server)
        for host in table.hosts
    )


def _istio_tables(
    view: View, scope: Scope, covering: Iterable[GatewayServer], host: str
) -> Iterator[tuple[RouteTable, str]]:
    """Yield Istio's tables that have a host, each with the gateway where it has it."""
    for gateway_server in covering:
        namespaces = _served_hosts(view, gateway_server).get(host, frozenset())
        for pattern in _patterns(view, gateway_server, host) if not gateway_server.server.isolated else ():
            for obj in view.by("gateway.host", f"{gateway_server.gateway}|{pattern}"):
                for table in attached_tables(view, obj.ref):
                    is_exact = pattern == host and _serves(view, gateway_server, table.ref.namespace, host)
                    is_admitted = is_exact or _admits(namespaces, table.ref.namespace)
                    if is_admitted and _is_at(table, scope, gateway_server):
                        yield table, gateway_server.gateway


def _places(view: View, covering: Iterable[GatewayServer], host: str) -> Iterator[Place]:
    """Yield the listeners of Gateway API that serve a host, and the keys of their routes in the index."""
    for gateway_server in filter(lambda server: server.server.isolated, covering):
        for pattern in _patterns(view, gateway_server, host):
            yield gateway_server, f"{gateway_server.gateway}|{pattern}"


def _patterns(view: View, gateway_server: GatewayServer, host: str) -> tuple[str, ...]:
    """Return the names by which rules can have a host at a server: one of its own hosts also by wildcards."""
    if host not in _served_hosts(view, gateway_server):
        return (host,)
    return candidates(host, view.memo(partial_wildcards, "gateway.host", f"{gateway_server.gateway}|"))


def _covering(view: View, scope: Scope, route_config_name: str, host: str) -> Iterator[GatewayServer]:
    """Yield the servers that serve a host, oldest first."""
    by_host, servers = (
        view.memo(_servers_by_host, scope, route_config_name),
        view.memo(gateway_servers, scope, route_config_name),
    )
    patterns = candidates(host, view.memo(_partial_hosts, scope, route_config_name))
    yield from (servers[i] for i in sorted({i for pattern in patterns for i in by_host.get(pattern, ())}))


def _partial_hosts(view: View, scope: Scope, route_config_name: str) -> frozenset[str]:
    """Return the partial wildcards of the servers."""
    return frozenset(filter(is_partial, view.memo(_servers_by_host, scope, route_config_name)))


def _servers_by_host(view: View, scope: Scope, route_config_name: str) -> Mapping[str, tuple[int, ...]]:
    """Return the indexes of the servers that have each host."""
    by_host: dict[str, tuple[int, ...]] = {}
    for i, gateway_server in enumerate(view.memo(gateway_servers, scope, route_config_name)):
        for host in _served_hosts(view, gateway_server):
            by_host[host] = (*by_host.get(host, ()), i)
    return by_host


def _served_hosts(view: View, gateway_server: GatewayServer) -> Mapping[str, frozenset[str]]:
    """Return the hosts of a server, each with the namespaces whose rules may have it."""
    namespaces: Mapping[str, frozenset[str]] = view.memo(_namespaces_by_host, gateway_server.server)
    return namespaces


def _partial_hosts_of_server(_: View, server: Server) -> frozenset[str]:
    return frozenset(served.host for served in server.hosts if is_partial(served.host))


def _namespaces_by_host(_: View, server: Server) -> Mapping[str, frozenset[str]]:
    by_host: dict[str, frozenset[str]] = {}
    for served in server.hosts:
        by_host[served.host] = by_host.get(served.host, frozenset()) | {served.namespace}
    return by_host


def _admits(namespaces: frozenset[str], namespace: str) -> bool:
    return EVERYWHERE in namespaces or namespace in namespaces


def _is_at(table: RouteTable, scope: Scope, gateway_server: GatewayServer) -> bool:
    """Tell whether a table is for a server, and exported to the router."""
    section = gateway_server.server.section_name if gateway_server.server.isolated else ""
    is_attached = gateway_server.gateway in table.gateways and table.section_name == section
    return is_attached and exported(table.export_to, table.ref.namespace, scope.namespace)


def _serves(view: View, gateway_server: GatewayServer, namespace: str, host: str) -> bool:
    """Tell whether a server has a host, or a wildcard above it, for rules of a namespace."""
    served, partial = _served_hosts(view, gateway_server), view.memo(_partial_hosts_of_server, gateway_server.server)
    return any(_admits(served[pattern], namespace) for pattern in candidates(host, partial) if pattern in served)


def _is_admitted(view: View, gateway_server: GatewayServer, table: RouteTable, host: str) -> bool:
    if _serves(view, gateway_server, table.ref.namespace, host):
        return True
    served = (served.host for served in gateway_server.server.hosts if served.admits(table.ref.namespace))
    return host.startswith("*") and any(includes(host, name) for name in served)


def _reachable(table: RouteTable, scope: Scope, port: int, gateway: str) -> Iterator[Route]:
    """Yield the routes that may match, up to the first that matches every request (Istio)."""
    for route in table.routes:
        if may_match(route.match, scope, port, gateway):
            yield route
            if matches_everything(route.match):
                return
