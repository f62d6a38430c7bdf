"""Which virtual hosts a sidecar's route configuration has, and their bytes, each encoded once.

The virtual hosts of a port are made and joined in parts (see shards): a change makes its own part again, and a
configuration is a join of the parts.
"""

from collections.abc import Iterable
from itertools import chain

import msgspec

from mirrorplane.api.proxy import Scope, Visibility
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.expansion.pipeline import expand
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.policies import unknown
from mirrorplane.translators.lookups.route_tables import catches_all, foreign_hosts, is_routed, owner
from mirrorplane.translators.parts import actions, retries
from mirrorplane.translators.parts.actions import EncodedRoute
from mirrorplane.translators.parts.domains import distinct, domains, with_port
from mirrorplane.translators.parts.original_dst import dialled_only
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars import outbound_listeners

_VIRTUAL_HOSTS_FIELD = 2
ROUTES_FIELD = 3
_NO_UPSTREAM = 502


class VirtualHost(msgspec.Struct, frozen=True):
    """A virtual host: `routes` are encoded, with all else that is neither name nor domains.

    `dedicated` are the clusters that exist only for its routes. `shared` replaces `routes` where clients of
    other services arrive too: it takes only those who dialled this one.
    """

    name: str
    domains: tuple[str, ...]
    routes: bytes
    dedicated: tuple[str, ...] = ()
    shared: bytes = b""


class Frames(msgspec.Struct, frozen=True):
    """Virtual hosts in their place in a RouteConfiguration: for a port, and as the HTTP proxy's clients name them."""

    plain: tuple[bytes, ...]
    proxied: tuple[bytes, ...]


def on_port(view: View, scope: Scope, port: int) -> Frames:
    """Return all virtual hosts of a port, joined in parts."""
    parts = [view.memo(_framed, scope, port, part) for part in range(view.memo(services.services, scope.visibility))]
    return Frames(tuple(plain for plain, _ in parts), tuple(proxied for _, proxied in parts))


def alone(view: View, scope: Scope, host: str, port: int) -> bytes:
    """Return the virtual host of a service that has a route configuration of its own: it takes every name."""
    found = view.memo(_of_host, scope, host, port)
    return frame(found.name, ("*",), found.routes)


def dedicated_clusters(view: View, scope: Scope, port: int, part: int) -> tuple[str, ...]:
    """Return the clusters that the mirrors of one part of a port's virtual hosts send to, sorted."""
    return tuple(sorted({name for host in view.memo(_of_part, scope, port, part) for name in host.dedicated}))


def catch_all(view: View, visibility: Visibility) -> bytes:
    """Return the virtual host of everything else: passed through, or answered 502 (Istio's outboundTrafficPolicy)."""
    body = _unknown(view, visibility)
    return frame(body.name, ("*",), envoy.encode_field(ROUTES_FIELD, envoy.encode(body)))


def _unknown(view: View, visibility: Visibility) -> envoy.Route:
    cluster = unknown(view, visibility)
    name = "block_all" if cluster == names.BLACK_HOLE else "allow_any"
    body = envoy.Route(name=name, match=envoy.RouteMatch(prefix="/"))
    if cluster != names.BLACK_HOLE:
        body.route.CopyFrom(envoy.RouteAction(cluster=cluster, timeout=envoy.duration(0)))
    else:
        body.direct_response.CopyFrom(envoy.DirectResponseAction(status=_NO_UPSTREAM))
    return body


def _framed(view: View, scope: Scope, port: int, part: int) -> tuple[bytes, bytes]:
    """Return the frames of one part of a port's virtual hosts, each less the domains that another one has."""
    fewer = dict(view.memo(_fewer, scope, port))
    plain, proxied = [], []
    for host in view.memo(_of_part, scope, port, part):
        said = fewer.get(host.name, host.domains) if fewer else host.domains
        if said:
            plain.append(frame(host.name, said, host.shared or host.routes))
            proxied.append(frame(host.name, with_port(said, port), host.routes))
    return b"".join(plain), b"".join(proxied)


def frame(name: str, said: tuple[str, ...], routes: bytes) -> bytes:
    """Return a virtual host as it stands in a configuration."""
    named = envoy.encode(envoy.VirtualHost(name=name, domains=said))
    return envoy.encode_field(_VIRTUAL_HOSTS_FIELD, named + routes)


def _fewer(view: View, scope: Scope, port: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the virtual hosts that lose domains to others, with what is left (Envoy: domains must be unique)."""
    parts = range(view.memo(services.services, scope.visibility))
    return distinct(chain.from_iterable(view.memo(_claims, scope, port, part) for part in parts))


def _claims(view: View, scope: Scope, port: int, part: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((host.name, host.domains) for host in view.memo(_of_part, scope, port, part))


def _of_part(view: View, scope: Scope, port: int, part: int) -> tuple[VirtualHost, ...]:
    """Return a part of the virtual hosts of a port: services with HTTP there, and hosts only route tables know."""
    of = view.memo(services.services, scope.visibility)
    found = {
        *view.memo(services.http_hosts, scope.visibility, port, part),
        *foreign_hosts(view, scope, port, part, of),
    }
    return tuple(view.memo(_of_host, scope, host, port) for host in sorted(found))


def _of_host(view: View, scope: Scope, host: str, port: int) -> VirtualHost:
    """Return the virtual host of a service, or of a host that only a route table knows."""
    service = services.listed(view, scope.visibility, host)
    said = owner(view, scope, host, port)
    built = [actions.default(view, scope, host, port)] if said is None else _built(view, scope, said, port)
    routes = _joined(view, [b.body for b in built])
    known = domains(host, service.addresses, scope) if service else (host,)
    if service is not None and service.headless and scope.intercepted:
        known += tuple(f"*.{name}" for name in known)  # web-0.web: the name of one workload (Istio)
    dialled = outbound_listeners.addresses(service) if service is not None and scope.intercepted else ()
    told = bool(dialled) and view.memo(is_routed, scope.visibility, host, port)
    shared = (
        _joined(view, [*dialled_only(built, dialled), envoy.encode(_unknown(view, scope.visibility))]) if told else b""
    )
    dedicated = tuple(cluster for route in built for cluster in route.dedicated)
    return VirtualHost(names.virtual_host(host, port), known, routes, dedicated, shared)


def _joined(view: View, routes: Iterable[bytes]) -> bytes:
    return b"".join((*(envoy.encode_field(ROUTES_FIELD, body) for body in routes), view.memo(common)))


def common(view: View) -> bytes:
    """Return what all routes have in common, which is said once, on the virtual host."""
    policy = retries.policy(view.memo(mesh).retries)
    return envoy.encode(envoy.VirtualHost(include_request_attempt_count=True, retry_policy=policy))


def _built(view: View, scope: Scope, said: tuple[Route, ...], port: int) -> list[EncodedRoute]:
    """Return the routes up to the first that catches everything: what stands behind it is never asked (Istio).

    Clients call a service by several names, and redirects keep theirs.
    """
    built = []
    for route in said:
        built += [actions.encode_route(view, scope, one, port) for one in expand(route, "*")]
        if catches_all(route.match):
            break
    return built
