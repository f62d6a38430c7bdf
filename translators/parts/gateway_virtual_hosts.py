"""The virtual hosts of a router's route configurations, each encoded once, joined in parts (decision 0022)."""

from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter

import msgspec

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.expansion.pipeline import expand
from mirrorplane.translators.lookups.precedence import Rank
from mirrorplane.translators.lookups.returning_copies import mark_returning
from mirrorplane.translators.partitions import WHOLE, Partition
from mirrorplane.translators.parts import actions
from mirrorplane.translators.parts.virtual_hosts import (
    ROUTES_FIELD,
    VirtualHost,
    common,
    encode_head,
    encode_host,
    join_host,
)
from mirrorplane.translators.routers.hosts import HostRules, Place, find_host_rules, hosts, partitions, precise_rules
from mirrorplane.translators.routers.misdirected import hosts_of_other_listeners, misdirected_route
from mirrorplane.translators.routers.servers import gateway_servers


class RankedRoute(msgspec.Struct, frozen=True):
    """A route, encoded as a field of its virtual host, its precedence there, and its dedicated clusters."""

    rank: Rank
    field: bytes
    dedicated: tuple[str, ...]


def encode_hosts(view: View, scope: Scope, configuration: str) -> tuple[bytes, ...]:
    """Return all virtual hosts of a configuration; one that answers 404 to everything where it has none (Istio)."""
    divided = view.memo(partitions, scope, configuration)
    encoded = tuple(view.memo(_encode_partition, scope, configuration, partition) for partition in divided)
    if any(encoded):
        return (*encoded, view.memo(_misdirected, scope, configuration))
    number = view.memo(gateway_servers, scope, configuration)[0].server.number
    return (encode_host(f"blackhole:{number}", ("*",), b""),)


def dedicated_clusters(view: View, scope: Scope, configuration: str) -> tuple[str, ...]:
    """Return the clusters that exist only for the routes of a configuration, sorted."""
    divided = view.memo(partitions, scope, configuration)
    of_parts = (view.memo(_dedicated, scope, configuration, partition) for partition in divided)
    return tuple(sorted(set().union(*of_parts)))


def _misdirected(view: View, scope: Scope, configuration: str) -> bytes:
    """Return the virtual host of hosts that belong to other listeners, for HTTP/2 connections that are reused.

    It is one for all of them, for there may be many, and their answer is the same.
    """
    server = view.memo(gateway_servers, scope, configuration)[0]
    domains = view.memo(hosts_of_other_listeners, scope, configuration)
    if not domains:
        return b""
    route = actions.encode_route(view, scope, misdirected_route(server), server.server.number)
    field = envoy.encode_field(ROUTES_FIELD, route.body)
    return encode_host(f"misdirected:{server.server.number}", tuple(sorted(domains)), field)


def _encode_partition(view: View, scope: Scope, configuration: str, partition: Partition) -> bytes:
    virtual_hosts = _in_partition(view, scope, configuration, partition)
    return b"".join(join_host(host.head, host.routes) for host in virtual_hosts)


def _dedicated(view: View, scope: Scope, configuration: str, partition: Partition) -> frozenset[str]:
    return frozenset(name for host in _in_partition(view, scope, configuration, partition) for name in host.dedicated)


def _in_partition(view: View, scope: Scope, configuration: str, partition: Partition) -> list[VirtualHost]:
    part_hosts = view.memo(hosts, scope, configuration, partition)
    virtual_hosts = (view.memo(_virtual_host, scope, configuration, host) for host in part_hosts)
    return [virtual_host for virtual_host in virtual_hosts if virtual_host is not None]


def _virtual_host(view: View, scope: Scope, configuration: str, host: str) -> VirtualHost | None:
    """Return the virtual host of a host; None when it has no routes, redirects nothing to HTTPS, and need not exist."""
    host_rules = find_host_rules(view, scope, configuration, host)
    port = view.memo(gateway_servers, scope, configuration)[0].server.number
    routes = [route for rule in host_rules.routes for route in _encode(view, scope, rule, (host, port))]
    routes += _by_precedence(view, scope, host_rules, port)
    if not (routes or host_rules.https_only or host_rules.always_served):
        return None
    body = b"".join((*(route.field for route in routes), view.memo(common)))
    if host_rules.https_only:
        # Envoy redirects to HTTPS by itself, before it looks at the routes (Istio: httpsRedirect).
        body += envoy.encode(envoy.VirtualHost(require_tls=envoy.VirtualHost.ALL))
    domain = f"[{host}]" if ":" in host else host  # an IPv6 address, as it is in a Host header
    dedicated = dict.fromkeys(name for route in routes for name in route.dedicated)
    name = names.virtual_host(host, port)
    return VirtualHost(name, (domain,), encode_head(name, (domain,)), body, tuple(dedicated))


def _by_precedence(view: View, scope: Scope, host_rules: HostRules, port: int) -> Iterable[RankedRoute]:
    """Return the routes of Gateway API, the most specific first. Of many, a change encodes one part again."""
    host, places = host_rules.host, host_rules.places
    if host_rules.partitions == (WHOLE,):
        ranked = precise_rules(view, scope, host, places, WHOLE)
        return [route for rule in ranked for route in _encode(view, scope, rule.route, (host, port))]
    encoded = (view.memo(_encode_rules, scope, (host, port), places, partition) for partition in host_rules.partitions)
    return sorted(chain.from_iterable(encoded), key=attrgetter("rank"))


def _encode_rules(
    view: View, scope: Scope, host_and_port: tuple[str, int], places: tuple[Place, ...], partition: Partition
) -> tuple[RankedRoute, ...]:
    ranked = precise_rules(view, scope, host_and_port[0], places, partition)
    return tuple(route for rule in ranked for route in _encode(view, scope, rule.route, host_and_port, rule.rank))


def _encode(
    view: View, scope: Scope, rule: Route, host_and_port: tuple[str, int], rank: Rank = ()
) -> Iterator[RankedRoute]:
    """Yield the routes that stand for a rule at a host and a listener's port."""
    host, port = host_and_port
    for route in expand(mark_returning(view, scope.visibility, rule, host, port), host):
        encoded = actions.encode_route(view, scope, route, port)
        yield RankedRoute(rank, envoy.encode_field(ROUTES_FIELD, encoded.body), encoded.dedicated)
