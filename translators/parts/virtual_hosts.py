"""The virtual hosts of a sidecar's route configurations, each encoded once.

The virtual hosts of a port are encoded and joined in parts (decision 0022): a change repeats its own part only, and a
configuration is a join of the parts.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from mirrorplane.api.mesh import Service
from mirrorplane.api.proxy import Scope, Visibility
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.expansion.pipeline import expand
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.alias_names import alias_names
from mirrorplane.translators.lookups.policies import undeclared_cluster
from mirrorplane.translators.lookups.returning_copies import mark_returning
from mirrorplane.translators.lookups.route_tables import (
    foreign_hosts,
    has_service_routes,
    matches_everything,
    owning_routes,
)
from mirrorplane.translators.partitions import Partition
from mirrorplane.translators.parts import actions, retries
from mirrorplane.translators.parts.actions import EncodedRoute
from mirrorplane.translators.parts.domains import distinct, domains, with_port
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars import outbound_listeners

_VIRTUAL_HOSTS_FIELD = 2
"""A field number in RouteConfiguration."""
ROUTES_FIELD = 3
"""A field number in VirtualHost."""
# Istio's answer for hosts that are not declared, where the mesh has REGISTRY_ONLY.
_BAD_GATEWAY = 502
_NOT_FOUND = 404


class VirtualHost(msgspec.Struct, frozen=True):
    """A virtual host. `head` is its name and domains, `routes` are all its other fields, encoded.

    `proxied_head` has the domains as clients of the HTTP proxy send them. Both are kept beside the routes, because a
    rule that changes encodes a whole part of the virtual hosts again: that took 8 % of a change. `dedicated` are the
    clusters that exist only for its routes. `dialled_routes` replaces `routes` on a listener that clients of other
    services use too: they apply only to clients that dialled this service. See decision 0101.
    """

    name: str
    domains: tuple[str, ...]
    head: bytes
    routes: bytes
    dedicated: tuple[str, ...] = ()
    dialled_routes: bytes = b""
    proxied_head: bytes = b""


class EncodedHosts(msgspec.Struct, frozen=True):
    """Virtual hosts as fields of a RouteConfiguration: with the domains of a port, and of the HTTP proxy's clients."""

    plain: tuple[bytes, ...]
    proxied: tuple[bytes, ...]


def on_port(view: View, scope: Scope, port: int) -> EncodedHosts:
    """Return all virtual hosts of a port, joined in parts."""
    encoded = [
        view.memo(_encode_partition, scope, port, partition)
        for partition in view.memo(services.partitions, scope.visibility)
    ]
    return EncodedHosts(tuple(plain for plain, _ in encoded), tuple(proxied for _, proxied in encoded))


def alone(view: View, scope: Scope, host: str, port: int) -> bytes:
    """Return the virtual host of a service that has a route configuration of its own: it has all domains."""
    virtual_host = view.memo(_virtual_host, scope, host, port)
    return encode_host(virtual_host.name, ("*",), virtual_host.routes)


def dedicated_clusters(view: View, scope: Scope, port: int, partition: Partition) -> tuple[str, ...]:
    """Return the clusters that exist only for the routes of one part of a port's virtual hosts, sorted."""
    return tuple(sorted({name for host in view.memo(_in_partition, scope, port, partition) for name in host.dedicated}))


def catch_all(view: View, visibility: Visibility) -> bytes:
    """Return the virtual host for unknown hosts: passthrough, or the answer 502 (Istio's outboundTrafficPolicy)."""
    route = _unknown_host(view, visibility)
    return encode_host(route.name, ("*",), envoy.encode_field(ROUTES_FIELD, envoy.encode(route)))


def common(view: View) -> bytes:
    """Return the options of all routes, encoded as fields of the virtual host."""
    policy = retries.policy(view.memo(mesh).retries)
    # x-envoy-attempt-count tells the service which requests are retries (Istio).
    return envoy.encode(envoy.VirtualHost(include_request_attempt_count=True, retry_policy=policy))


def encode_host(name: str, host_domains: tuple[str, ...], routes: bytes) -> bytes:
    """Return a virtual host as a field of a RouteConfiguration."""
    return join_host(encode_head(name, host_domains), routes)


def encode_head(name: str, host_domains: Iterable[str]) -> bytes:
    """Return the name and domains of a virtual host, encoded as fields of it."""
    return envoy.encode(envoy.VirtualHost(name=name, domains=host_domains))


def join_host(head: bytes, routes: bytes) -> bytes:
    """Return a virtual host of encoded parts as a field of a RouteConfiguration."""
    return envoy.encode_field(_VIRTUAL_HOSTS_FIELD, head + routes)


def _unknown_host(view: View, visibility: Visibility) -> envoy.Route:
    cluster = undeclared_cluster(view, visibility)
    # Istio's names, of the virtual host and of its route.
    name = "block_all" if cluster == names.BLACK_HOLE else "allow_any"
    body = envoy.Route(name=name, match=envoy.RouteMatch(prefix="/"))
    if cluster != names.BLACK_HOLE:
        body.route.CopyFrom(envoy.RouteAction(cluster=cluster, timeout=envoy.duration(0)))
    else:
        body.direct_response.CopyFrom(envoy.DirectResponseAction(status=_BAD_GATEWAY))
    return body


def _encode_partition(view: View, scope: Scope, port: int, partition: Partition) -> tuple[bytes, bytes]:
    """Return one part of a port's virtual hosts, plain and proxied, without domains that another virtual host has."""
    reduced = dict(view.memo(_reduced_domains, scope, port))
    plain, proxied = [], []
    for host in view.memo(_in_partition, scope, port, partition):
        host_domains = reduced.get(host.name, host.domains) if reduced else host.domains
        if host_domains is host.domains:
            plain.append(join_host(host.head, host.dialled_routes or host.routes))
            proxied.append(join_host(host.proxied_head, host.routes))
        elif host_domains:
            plain.append(encode_host(host.name, host_domains, host.dialled_routes or host.routes))
            proxied.append(encode_host(host.name, with_port(host_domains, port), host.routes))
    return b"".join(plain), b"".join(proxied)


def _reduced_domains(view: View, scope: Scope, port: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the virtual hosts that lose domains to others, with what they keep (Envoy: domains must be unique).

    Two services meet in any two parts, so this looks at all of them; it is the same after almost every change.
    """
    partitions = view.memo(services.partitions, scope.visibility)
    return distinct(chain.from_iterable(view.memo(_claims, scope, port, partition) for partition in partitions))


def _claims(view: View, scope: Scope, port: int, partition: Partition) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((host.name, host.domains) for host in view.memo(_in_partition, scope, port, partition))


def _in_partition(view: View, scope: Scope, port: int, partition: Partition) -> tuple[VirtualHost, ...]:
    """Return a part of a port's virtual hosts: services with HTTP there, and hosts that only route tables have."""
    hosts = {
        *view.memo(services.http_hosts, scope.visibility, port, partition),
        *foreign_hosts(view, scope, port, partition),
    }
    return tuple(view.memo(_virtual_host, scope, host, port) for host in sorted(hosts))


def _virtual_host(view: View, scope: Scope, host: str, port: int) -> VirtualHost:
    """Return the virtual host of a service, or of a host that only a route table has."""
    service = services.service_on_listeners(view, scope.visibility, host)
    rules = owning_routes(view, scope, host, port)
    routes = (
        [actions.default(view, scope, host, port)] if rules is None else _encode_rules(view, scope, rules, host, port)
    )
    host_domains = _service_domains(view, scope, service) if service else (host,)
    if service is not None and service.headless and scope.intercepted:
        host_domains += tuple(f"*.{name}" for name in host_domains)  # web-0.web: the name of one workload (Istio)
    addresses = outbound_listeners.dialable_addresses(service) if service is not None and scope.intercepted else ()
    dialled_routes = b""
    if bool(addresses) and view.memo(has_service_routes, scope.visibility, host, port):
        unknown_route = envoy.encode(_unknown_host(view, scope.visibility))
        dialled_routes = _join(view, [*_only_for(addresses, routes), unknown_route])
    dedicated = tuple(cluster for route in routes for cluster in route.dedicated)
    body = _join(view, [route.body for route in routes])
    name = names.virtual_host(host, port)
    return VirtualHost(
        name=name,
        domains=host_domains,
        head=encode_head(name, host_domains),
        routes=body,
        dedicated=dedicated,
        dialled_routes=dialled_routes,
        proxied_head=encode_head(name, with_port(host_domains, port)),
    )


def _service_domains(view: View, scope: Scope, service: Service) -> tuple[str, ...]:
    aliases = alias_names(view, scope.visibility, service.host)
    by_alias = (domain for name in aliases for domain in domains(name, (), scope))
    return tuple(dict.fromkeys((*domains(service.host, service.addresses, scope), *by_alias)))


def _join(view: View, routes: Iterable[bytes]) -> bytes:
    return b"".join((*(envoy.encode_field(ROUTES_FIELD, body) for body in routes), view.memo(common)))


def _encode_rules(view: View, scope: Scope, rules: tuple[Route, ...], host: str, port: int) -> list[EncodedRoute]:
    """Return the routes up to the first that matches every request: no request reaches those behind it (Istio).

    Clients call a service by several names, so rules are expanded for `*`, and redirects keep the client's host.
    """
    routes = []
    for rule in rules:
        marked = mark_returning(view, scope.visibility, rule, host, port)
        routes += [actions.encode_route(view, scope, route, port) for route in expand(marked, "*")]
        if matches_everything(rule.match):
            break
    return routes


def _only_for(addresses: Sequence[str], routes: Sequence[EncodedRoute]) -> Iterator[bytes]:
    """Yield the routes for clients that dialled one of the addresses, and at last a 404 for what none has matched.

    The listener remembers the address (`network_filters.remember_original_dst`).
    """
    dialled = envoy.FilterStateMatcher(key=names.ORIGINAL_DST)
    if len(addresses) == 1:
        dialled.string_match.exact = addresses[0]
    else:
        dialled.string_match.safe_regex.regex = "|".join(map(re.escape, addresses))
    no_rule = envoy.Route(match=envoy.RouteMatch(prefix="/"))
    no_rule.direct_response.status = _NOT_FOUND
    for route in (*(envoy.Route.FromString(encoded.body) for encoded in routes), no_rule):
        route.match.filter_state.append(dialled)
        yield envoy.encode(route)
