"""Routes: rules for requests and connections, and the tables of the objects that they come from."""

from collections.abc import Callable
from enum import Enum

import msgspec

from mirrorplane.api.actions import (
    Answer,
    Authorization,
    Cors,
    Destination,
    Fault,
    Headers,
    Redirect,
    Retries,
    Rewrite,
    Session,
)
from mirrorplane.api.matches import L4Match, Match
from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import Mirror


class Forward(msgspec.Struct, frozen=True):
    """Requests go to the destinations by weight, and copies of them to the mirrors.

    Without destinations all are answered `failure`, as is the share of one that fails. `timeout_ms` 0 means none.
    `retries` None: the mesh's default.
    """

    destinations: tuple[Destination, ...]
    mirrors: tuple[Mirror, ...] = ()
    timeout_ms: int = 0
    retries: Retries | None = None
    rewrite: Rewrite = Rewrite()
    # Gateway API wants 500 for an invalid backend's share. See decision 0082.
    failure: int = 500


class Branch(msgspec.Struct, frozen=True):
    """One of the actions of a Split, its weight, and header changes that come after the route's.

    `pin` identifies the branch, whatever its place, to sessions that have to stay on it; "" pins none.
    """

    action: Forward | Redirect | Answer
    weight: int = 1
    pin: str = ""
    headers: Headers = Headers()


class Split(msgspec.Struct, frozen=True):
    """Requests take one of several actions by weight, at least one of which is above 0.

    For what Envoy cannot do for one of several weighted clusters: a path rewrite, mirrors, a redirect, a pinned
    session. See translators/expansion, which makes routes of the branches.
    """

    branches: tuple[Branch, ...]


class Route(msgspec.Struct, frozen=True):
    """One rule: the action for requests that match. `ref` and `path` are the object it comes from, and the field there.

    `rank` orders the rules of tables of Order.PRECISE: of all that match, the smallest wins.
    """

    name: str
    match: Match
    action: Forward | Redirect | Answer | Split
    ref: Ref
    path: str = ""
    headers: Headers = Headers()
    fault: Fault | None = None
    cors: Cors | None = None
    stat_prefix: str = ""
    authorization: Authorization | None = None
    session: Session | None = None
    rank: tuple[int, ...] = ()

    @property
    def forwards(self) -> tuple[Forward, ...]:
        """What of the action forwards requests: all of it, some branches, or nothing."""
        if isinstance(self.action, Forward):
            return (self.action,)
        branches = self.action.branches if isinstance(self.action, Split) else ()
        return tuple(branch.action for branch in branches if isinstance(branch.action, Forward))

    def map_forwards(self, change: Callable[[Forward], Forward]) -> "Route":
        """Return the route with each of its forwards, on all branches, replaced by what `change` makes of it."""
        action = self.action
        if isinstance(action, Split):
            branches = (
                msgspec.structs.replace(branch, action=change(branch.action))
                if isinstance(branch.action, Forward)
                else branch
                for branch in action.branches
            )
            action = Split(tuple(branches))
        elif isinstance(action, Forward):
            action = change(action)
        return msgspec.structs.replace(self, action=action)

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Where requests go, on any branch."""
        return tuple(destination for forward in self.forwards for destination in forward.destinations)

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """Where copies go, on any branch."""
        return tuple(mirror for forward in self.forwards for mirror in forward.mirrors)


class L4Route(msgspec.Struct, frozen=True):
    """One L4 rule: for TLS connections by server name, for TCP connections or for UDP. Nothing is mirrored.

    Without destinations, or at one that `fails`, connections are closed. `udp`: it is for UDP, whose datagrams are
    dropped then.
    """

    match: L4Match
    destinations: tuple[Destination, ...]
    ref: Ref
    path: str = ""
    udp: bool = False

    @property
    def tls(self) -> bool:
        """Whether it matches TLS connections."""
        return bool(self.match.server_names)


class Order(Enum):
    """Which of several rules that match wins: the first as written, or the one with the most precise match."""

    WRITTEN = "written"
    PRECISE = "precise"


class RouteTable(msgspec.Struct, frozen=True):
    """The routes of one object for the requests and connections to some hosts, in order.

    `section_name`: it applies only to the server of that name at its gateways, and `hosts` are those that both share.

    `port`: it applies only to this port of the services that are its hosts, and replaces their default route: what no
    route matches is answered 404 (Gateway API). `path` is the field that attaches it.
    """

    ref: Ref
    hosts: tuple[str, ...]
    routes: tuple[Route, ...]
    l4_routes: tuple[L4Route, ...] = ()
    gateways: tuple[str, ...] = ("mesh",)
    export_to: tuple[str, ...] = ("*",)
    created: str = ""
    section_name: str = ""
    order: Order = Order.WRITTEN
    port: int = 0
    path: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key of Istio's "oldest wins"."""
        return self.created, self.ref.name, self.ref.namespace
