"""The virtual hosts of a router's route configuration, each encoded once, joined in parts (see shards)."""

from api.proxy import Scope
from api.view import View
from translators import envoy, names
from translators.gateway_hosts import hosts, parts, rules
from translators.gateways import doors
from translators.parts import actions
from translators.parts.redirects import at_host
from translators.parts.virtual_hosts import ROUTES_FIELD, VirtualHost, common, frame


def frames(view: View, scope: Scope, routes: str) -> tuple[bytes, ...]:
    """Return all virtual hosts of a configuration; one that answers 404 to everything where there are none (Istio)."""
    made = tuple(view.memo(_framed, scope, routes, part) for part in range(view.memo(parts, scope, routes)))
    if any(made):
        return made
    return (frame(f"blackhole:{view.memo(doors, scope, routes)[0].server.number}", ("*",), b""),)


def copies(view: View, scope: Scope, routes: str) -> tuple[str, ...]:
    """Return the clusters that the mirrors of a configuration send to, sorted."""
    of_parts = (view.memo(_copies, scope, routes, part) for part in range(view.memo(parts, scope, routes)))
    return tuple(sorted(set().union(*of_parts)))


def _framed(view: View, scope: Scope, routes: str, part: int) -> bytes:
    found = (view.memo(_of_host, scope, routes, host) for host in view.memo(hosts, scope, routes, part))
    return b"".join(frame(host.name, host.domains, host.routes) for host in found if host is not None)


def _copies(view: View, scope: Scope, routes: str, part: int) -> frozenset[str]:
    found = (view.memo(_of_host, scope, routes, host) for host in view.memo(hosts, scope, routes, part))
    return frozenset(name for host in found if host is not None for name in host.copies)


def _of_host(view: View, scope: Scope, routes: str, host: str) -> VirtualHost | None:
    """Return the virtual host of a host; None when no rule holds there, nothing is sent to https, none has to be."""
    said, port = rules(view, scope, routes, host), view.memo(doors, scope, routes)[0].server.number
    if not (said.routes or said.secure or said.kept):
        return None
    placed = [one for route in said.routes for one in at_host(route, host)]
    built = [actions.route(view, scope, route, port) for route in placed]
    body = b"".join((*(envoy.framed(ROUTES_FIELD, b.body) for b in built), view.memo(common)))
    if said.secure:
        body += envoy.encode(envoy.VirtualHost(require_tls=envoy.VirtualHost.ALL))
    domain = f"[{host}]" if ":" in host else host
    return VirtualHost(names.virtual_host(host, port), (domain,), body, tuple(c for b in built for c in b.copies))
