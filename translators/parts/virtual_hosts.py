"""Which virtual hosts a sidecar's route configuration has, and their bytes, each encoded once."""

from collections.abc import Callable

import msgspec

from api.mesh import Match, Op, Route, RouteTable
from api.proxy import Scope
from api.view import View
from translators import envoy, names, visible
from translators.lookups import mesh
from translators.parts import actions
from translators.parts.domains import domains, with_port
from translators.shards import split
from translators.tables import foreign_hosts, http_hosts, owner

_VIRTUAL_HOSTS_FIELD = 2
_ROUTES_FIELD = 3
_NO_UPSTREAM = 502


Make = Callable[[View, Scope, str, int], "VirtualHost"]


class VirtualHost(msgspec.Struct, frozen=True):
    """A virtual host, encoded once: `frame` is its place in a RouteConfiguration, `rest` is all but name and domains.

    `copies` are the clusters that its mirrors send to.
    """

    name: str
    domains: tuple[str, ...]
    rest: bytes
    frame: bytes
    copies: tuple[str, ...] = ()


def virtual_host(name: str, said: tuple[str, ...], rest: bytes, copies: tuple[str, ...] = ()) -> VirtualHost:
    """Return a virtual host with its frame."""
    named = envoy.encode(envoy.VirtualHost(name=name, domains=said))
    return VirtualHost(name, said, rest, envoy.framed(_VIRTUAL_HOSTS_FIELD, named + rest), copies)


def on_port(view: View, scope: Scope, port: int) -> tuple[VirtualHost, ...]:
    """Return the virtual hosts of one listener port: by name, or by shard and name where there are many."""
    shards = range(len(view.memo(hosts, scope, port)))
    return tuple(host for i in shards for host in view.memo(_shard, of_host, scope, port, i))


def for_proxy(view: View, scope: Scope, port: int) -> tuple[VirtualHost, ...]:
    """Return the virtual hosts of one port as clients of an HTTP proxy name them."""
    shards = range(len(view.memo(hosts, scope, port)))
    return tuple(host for i in shards for host in view.memo(_shard, of_host_for_proxy, scope, port, i))


def hosts(view: View, scope: Scope, port: int) -> tuple[tuple[str, ...], ...]:
    """Return who has a virtual host on a port, by shard: every visible service with HTTP there, and foreign hosts."""
    return split((*view.memo(http_hosts, scope, port), *view.memo(foreign_hosts, scope, port)))


def of_host(view: View, scope: Scope, host: str, port: int) -> VirtualHost:
    """Return the virtual host of a service, or of a host that only a route table knows."""
    service = view.memo(visible.service, scope.namespace, host)
    said = owner(view, scope, host, port)
    built = [actions.default(host, port)] if said is None else _built(view, scope, said, port)
    # What all routes have in common is said once, on the virtual host.
    common = envoy.encode(envoy.VirtualHost(include_request_attempt_count=True, retry_policy=actions.retries()))
    rest = b"".join((*(envoy.framed(_ROUTES_FIELD, b.body) for b in built), common))
    known = domains(host, service.addresses, scope) if service else (host,)
    return virtual_host(names.virtual_host(host, port), known, rest, tuple(c for b in built for c in b.copies))


def of_host_for_proxy(view: View, scope: Scope, host: str, port: int) -> VirtualHost:
    """Return the same, as clients of an HTTP proxy name it."""
    plain = view.memo(of_host, scope, host, port)
    return virtual_host(plain.name, with_port(plain.domains, port), plain.rest, plain.copies)


def catch_all(view: View) -> VirtualHost:
    """Return the virtual host of everything else: passed through, or answered 502 (Istio's outboundTrafficPolicy)."""
    name = "allow_any" if view.memo(mesh).allow_any else "block_all"
    body = envoy.Route(name=name, match=envoy.RouteMatch(prefix="/"))
    if view.memo(mesh).allow_any:
        body.route.CopyFrom(envoy.RouteAction(cluster=names.PASSTHROUGH, timeout=envoy.duration(0)))
    else:
        body.direct_response.CopyFrom(envoy.DirectResponseAction(status=_NO_UPSTREAM))
    return virtual_host(name, ("*",), envoy.framed(_ROUTES_FIELD, envoy.encode(body)))


def _shard(view: View, made: Make, scope: Scope, port: int, index: int) -> tuple[VirtualHost, ...]:
    names_of_shard = view.memo(_hosts_of_shard, scope, port, index)
    return tuple(view.memo(made, scope, host, port) for host in names_of_shard)


def _hosts_of_shard(view: View, scope: Scope, port: int, index: int) -> tuple[str, ...]:
    shards = view.memo(hosts, scope, port)
    return shards[index] if index < len(shards) else ()


def _built(view: View, scope: Scope, said: tuple[RouteTable, tuple[Route, ...]], port: int) -> list[actions.Built]:
    """Return the routes up to the first that catches everything: what stands behind it is never asked (Istio)."""
    table, routes = said
    built = []
    for route in routes:
        built.append(actions.route(view, scope, route, table.ref, port))
        if _catches_all(route.match):
            break
    return built


def _catches_all(match: Match) -> bool:
    everything = (match.path.op, match.path.value) in {(Op.PREFIX, "/"), (Op.REGEX, ".*")}
    return everything and not match.headers and not match.query
