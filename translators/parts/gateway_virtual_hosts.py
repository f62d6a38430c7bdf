"""The virtual hosts of a router's route configuration, each encoded once, joined in parts (see shards)."""

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter

import msgspec

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, names
from mirrorplane.translators.expansion.pipeline import expand
from mirrorplane.translators.lookups.precedence import Rank
from mirrorplane.translators.parts import actions
from mirrorplane.translators.parts.virtual_hosts import ROUTES_FIELD, VirtualHost, common, frame
from mirrorplane.translators.routers.hosts import HostRules, Place, hosts, parts, precise, rules
from mirrorplane.translators.routers.misdirected import answer, elsewhere
from mirrorplane.translators.routers.servers import gateway_servers


class Piece(msgspec.Struct, frozen=True):
    """An encoded rule in its place in a virtual host, and the clusters that its copies go to."""

    rank: Rank
    body: bytes
    dedicated: tuple[str, ...]


def frames(view: View, scope: Scope, routes: str) -> tuple[bytes, ...]:
    """Return all virtual hosts of a configuration; one that answers 404 to everything where there are none (Istio)."""
    made = tuple(view.memo(_framed, scope, routes, part) for part in range(view.memo(parts, scope, routes)))
    if any(made):
        return (*made, view.memo(_misdirected, scope, routes))
    return (frame(f"blackhole:{view.memo(gateway_servers, scope, routes)[0].server.number}", ("*",), b""),)


def _misdirected(view: View, scope: Scope, routes: str) -> bytes:
    """Return what answers for the hosts of other listeners: one virtual host, for they may be many."""
    hosts, gateway_server = view.memo(elsewhere, scope, routes), view.memo(gateway_servers, scope, routes)[0]
    if not hosts:
        return b""
    built = actions.encode_route(view, scope, answer(gateway_server), gateway_server.server.number)
    return frame(
        f"misdirected:{gateway_server.server.number}",
        tuple(sorted(hosts)),
        envoy.encode_field(ROUTES_FIELD, built.body),
    )


def dedicated_clusters(view: View, scope: Scope, routes: str) -> tuple[str, ...]:
    """Return the clusters that the mirrors of a configuration send to, sorted."""
    of_parts = (view.memo(_dedicated, scope, routes, part) for part in range(view.memo(parts, scope, routes)))
    return tuple(sorted(set().union(*of_parts)))


def _framed(view: View, scope: Scope, routes: str, part: int) -> bytes:
    found = (view.memo(_of_host, scope, routes, host) for host in view.memo(hosts, scope, routes, part))
    return b"".join(frame(host.name, host.domains, host.routes) for host in found if host is not None)


def _dedicated(view: View, scope: Scope, routes: str, part: int) -> frozenset[str]:
    found = (view.memo(_of_host, scope, routes, host) for host in view.memo(hosts, scope, routes, part))
    return frozenset(name for host in found if host is not None for name in host.dedicated)


def _of_host(view: View, scope: Scope, routes: str, host: str) -> VirtualHost | None:
    """Return the virtual host of a host; None when no rule holds there, nothing is sent to https, none has to be."""
    said, port = rules(view, scope, routes, host), view.memo(gateway_servers, scope, routes)[0].server.number
    pieces = [_piece(view, scope, route, port) for each in said.routes for route in expand(each, host)]
    pieces += _precise(view, scope, said, port)
    if not (pieces or said.secure or said.kept):
        return None
    body = b"".join((*(piece.body for piece in pieces), view.memo(common)))
    if said.secure:
        body += envoy.encode(envoy.VirtualHost(require_tls=envoy.VirtualHost.ALL))
    domain = f"[{host}]" if ":" in host else host
    dedicated = dict.fromkeys(name for piece in pieces for name in piece.dedicated)
    return VirtualHost(names.virtual_host(host, port), (domain,), body, tuple(dedicated))


def _precise(view: View, scope: Scope, said: HostRules, port: int) -> Iterable[Piece]:
    """Return the rules of Gateway API, the most precise first. Of many, a change makes one part again."""
    if said.parts == 1:
        ranked = precise(view, scope, said.host, said.places)
        return [_piece(view, scope, route, port) for one in ranked for route in expand(one.route, said.host)]
    parts = (view.memo(_of_part, scope, (said.host, port), said.places, part) for part in range(said.parts))
    return sorted(chain.from_iterable(parts), key=attrgetter("rank"))


def _of_part(view: View, scope: Scope, at: tuple[str, int], places: tuple[Place, ...], part: int) -> tuple[Piece, ...]:
    host, port = at
    found = precise(view, scope, host, places, part)
    placed = ((said, one.rank) for one in found for said in expand(one.route, host))
    return tuple(_piece(view, scope, said, port, rank) for said, rank in placed)


def _piece(view: View, scope: Scope, route: Route, port: int, rank: Rank = ()) -> Piece:
    built = actions.encode_route(view, scope, route, port)
    return Piece(rank, envoy.encode_field(ROUTES_FIELD, built.body), built.dedicated)
