"""Which hosts a router serves behind a route configuration, and by which rules: servers' hosts and rules' hosts, met.

Asked for in parts, as services are (see partitions): a change of rules is looked at in the parts of its hosts alone.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.gateways import EVERYWHERE, Server, includes
from mirrorplane.api.hosts import candidates, exported
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.precedence import Ranked, by_precision, table_age
from mirrorplane.translators.lookups.route_tables import matches_everything, may_match
from mirrorplane.translators.lookups.services import table_rank
from mirrorplane.translators.partitions import WHOLE, Partition, Partitions, partitions_of_size
from mirrorplane.translators.routers.misdirected import hosts_of_other_listeners
from mirrorplane.translators.routers.servers import GatewayServer, gateway_servers

Place = tuple[GatewayServer, str]
"""A listener of Gateway API, and a key under which an index finds routes of it."""


class HostRules(msgspec.Struct, frozen=True):
    """A host and what is done with requests for it: the routes of all Istio's tables that speak for it, in order.

    `places` are where those of Gateway API are looked up, in these `partitions`: they come after (`precise_rules`).
    `secure`: plain HTTP is sent to https instead. `kept`: it is served though there may be no routes.
    """

    host: str
    routes: tuple[Route, ...]
    places: tuple[Place, ...] = ()
    partitions: Partitions = (WHOLE,)
    secure: bool = False
    kept: bool = False


def partitions(view: View, scope: Scope, routes: str) -> Partitions:
    """Return the partitions in which the hosts of a route configuration are read."""
    said = view.memo(gateway_servers, scope, routes)
    seen = sum(len(view.by("gateway.routes", name)) for name in {gateway_server.gateway for gateway_server in said})
    seen += sum(len(gateway_server.server.hosts) for gateway_server in said)
    return partitions_of_size(seen)


def hosts(view: View, scope: Scope, routes: str, partition: Partition) -> tuple[str, ...]:
    """Return the hosts of a part, sorted.

    Istio: of a server's host and a rule's, the narrower one is served. A server that sends plain HTTP to https does so
    for all of its hosts.
    """
    said = view.memo(gateway_servers, scope, routes)
    found = {
        host
        for gateway_server in said
        for host in _of_rules(view, scope, gateway_server, partition)
        if partition.has(host)
    }
    for gateway_server in said:
        for served in gateway_server.server.hosts:
            kept = gateway_server.server.redirect or gateway_server.server.isolated
            if partition.has(served.host) and (kept or _is_met(view, scope, routes, served.host)):
                found.add(served.host)
    return tuple(sorted(found - view.memo(hosts_of_other_listeners, scope, routes)))


def find_host_rules(view: View, scope: Scope, routes: str, host: str) -> HostRules:
    """Return what is done with requests for a host.

    Istio: rules of several tables are appended, oldest first, and those that take every request come last. Gateway API:
    those of all tables are ordered by how precise they are (`precise_rules`); where both meet, Istio's are asked first.
    """
    said = view.memo(gateway_servers, scope, routes)
    covering = tuple(_covering(view, scope, routes, host))
    secure = next((gateway_server.server.redirect for gateway_server in covering), False)
    kept = any(gateway_server.server.isolated and host in _served(view, gateway_server) for gateway_server in covering)
    met = {(table.ref, gateway): table for table, gateway in _meeting(view, scope, covering, host)}
    found = [
        route
        for (_, gateway), table in sorted(met.items(), key=lambda item: table_rank(scope.visibility, item[1]))
        for route in _holding(table, scope, said[0].server.number, gateway)
    ]
    ordered = sorted(
        found if len(said) == 1 else dict.fromkeys(found), key=lambda route: matches_everything(route.match)
    )
    places = tuple(_precise_places(view, covering, host))
    seen = sum(len(view.by("gateway.host", key)) for _, key in places)
    return HostRules(host, tuple(ordered), places, partitions_of_size(seen), secure, kept)


def precise_rules(
    view: View, scope: Scope, host: str, places: tuple[Place, ...], partition: Partition
) -> tuple[Ranked, ...]:
    """Return what is done with requests for a host by Gateway API, the most precise rule first.

    Only by the objects of a partition: thousands of routes may share a host.
    """
    met = {
        (table.ref, table.section_name, gateway_server.gateway): table
        for gateway_server, key in places
        for obj in view.by("gateway.host", partition.key(key))
        for table in view.lowered(obj.ref).tables
        if host in table.hosts and _speaks(table, scope, gateway_server)
    }
    return by_precision(met.values())


def server_tables(view: View, scope: Scope, gateway_server: GatewayServer) -> tuple[RouteTable, ...]:
    """Return the tables at a server that speak for one of its hosts, winner first.

    Gateway API: the oldest, then by `namespace/name`.
    """
    found = [
        table
        for obj in view.by("gateway.routes", gateway_server.gateway)
        for table in view.lowered(obj.ref).tables
        if _speaks(table, scope, gateway_server)
        and any(_admitted(view, gateway_server, table, host) for host in table.hosts)
    ]
    if gateway_server.server.isolated:
        return tuple(sorted(found, key=table_age))
    return tuple(sorted(found, key=lambda table: table_rank(scope.visibility, table)))


def _of_rules(view: View, scope: Scope, gateway_server: GatewayServer, partition: Partition) -> Iterator[str]:
    """Yield the hosts of rules in a part that a server takes in."""
    key = partition.key(gateway_server.gateway)
    nested = partitions_of_size(len(view.by("gateway.routes", key))) if partition != WHOLE else (WHOLE,)
    if nested == (WHOLE,):
        said = _claims(view, scope, gateway_server, key)
    else:
        said = frozenset().union(*(view.memo(_claims, scope, gateway_server, each.key(key)) for each in nested))
    yield from (host for host, namespace in said if _takes_in(view, gateway_server, namespace, host))


def _claims(view: View, scope: Scope, gateway_server: GatewayServer, key: str) -> frozenset[tuple[str, str]]:
    """Return the hosts that rules speak of at a server, each with the namespace of who says so."""
    return frozenset(
        (host, table.ref.namespace)
        for obj in view.by("gateway.routes", key)
        for table in view.lowered(obj.ref).tables
        if _speaks(table, scope, gateway_server)
        for host in table.hosts
    )


def _is_met(view: View, scope: Scope, routes: str, host: str) -> bool:
    """Tell whether any of Istio's tables speaks for a host."""
    return any(_meeting(view, scope, _covering(view, scope, routes, host), host))


def _meeting(
    view: View, scope: Scope, covering: Iterable[GatewayServer], host: str
) -> Iterator[tuple[RouteTable, str]]:
    """Yield Istio's tables that speak for a host, each with the gateway it does so at."""
    for gateway_server in covering:
        own = _served(view, gateway_server).get(host, frozenset())
        for pattern in _names(view, gateway_server, host) if not gateway_server.server.isolated else ():
            for obj in view.by("gateway.host", f"{gateway_server.gateway}|{pattern}"):
                for table in view.lowered(obj.ref).tables:
                    narrowest = pattern == host and _takes_in(view, gateway_server, table.ref.namespace, host)
                    if _speaks(table, scope, gateway_server) and (narrowest or _admits(own, table.ref.namespace)):
                        yield table, gateway_server.gateway


def _precise_places(view: View, covering: Iterable[GatewayServer], host: str) -> Iterator[Place]:
    """Yield the listeners of Gateway API that take a host, and the keys under which an index finds their routes."""
    for gateway_server in covering:
        if gateway_server.server.isolated:
            yield from (
                (gateway_server, f"{gateway_server.gateway}|{pattern}")
                for pattern in _names(view, gateway_server, host)
            )


def _names(view: View, gateway_server: GatewayServer, host: str) -> tuple[str, ...]:
    """Return the names by which rules may speak of a host at a server: one that is its own also by wider ones."""
    return candidates(host) if host in _served(view, gateway_server) else (host,)


def _covering(view: View, scope: Scope, routes: str, host: str) -> Iterator[GatewayServer]:
    """Yield the servers that take a host, oldest first."""
    by_host, said = view.memo(_places, scope, routes), view.memo(gateway_servers, scope, routes)
    yield from (said[i] for i in sorted({i for wide in candidates(host) for i in by_host.get(wide, ())}))


def _places(view: View, scope: Scope, routes: str) -> Mapping[str, tuple[int, ...]]:
    """Return which of the servers take each host: their places among them."""
    found: dict[str, tuple[int, ...]] = {}
    for i, gateway_server in enumerate(view.memo(gateway_servers, scope, routes)):
        for host in _served(view, gateway_server):
            found[host] = (*found.get(host, ()), i)
    return found


def _served(view: View, gateway_server: GatewayServer) -> Mapping[str, frozenset[str]]:
    """Return the hosts of a server, each with the namespaces whose rules may speak for it."""
    found: Mapping[str, frozenset[str]] = view.memo(_hosts_of, gateway_server.server)
    return found


def _hosts_of(_: View, server: Server) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for one in server.hosts:
        found[one.host] = found.get(one.host, frozenset()) | {one.namespace}
    return found


def _admits(namespaces: frozenset[str], namespace: str) -> bool:
    return EVERYWHERE in namespaces or namespace in namespaces


def _speaks(table: RouteTable, scope: Scope, gateway_server: GatewayServer) -> bool:
    named = gateway_server.gateway in table.gateways and table.section_name == (
        gateway_server.server.section_name if gateway_server.server.isolated else ""
    )
    return named and exported(table.export_to, table.ref.namespace, scope.namespace)


def _takes_in(view: View, gateway_server: GatewayServer, namespace: str, host: str) -> bool:
    """Tell whether one of a server's hosts is a host of a namespace's rules, or wider."""
    served = _served(view, gateway_server)
    return any(_admits(served[wide], namespace) for wide in candidates(host) if wide in served)


def _admitted(view: View, gateway_server: GatewayServer, table: RouteTable, host: str) -> bool:
    said = (s.host for s in gateway_server.server.hosts if s.admits(table.ref.namespace))
    return _takes_in(view, gateway_server, table.ref.namespace, host) or (
        host.startswith("*") and any(includes(host, one) for one in said)
    )


def _holding(table: RouteTable, scope: Scope, port: int, gateway: str) -> Iterator[Route]:
    """Yield the routes that hold, up to the first that takes every request (Istio)."""
    for route in table.routes:
        if may_match(route.match, scope, port, gateway):
            yield route
            if matches_everything(route.match):
                return
