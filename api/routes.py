"""Where requests go: rules, and the tables that hold them."""

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
from mirrorplane.api.matches import Match, StreamMatch
from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import Mirror


class Forward(msgspec.Struct, frozen=True):
    """Requests go to the destinations by weight, and copies go to the mirrors.

    No destination: all are answered `failure`, as is what would go to one that fails. `timeout_ms` 0 means none.
    `retries` None: as the mesh does.
    """

    destinations: tuple[Destination, ...]
    mirrors: tuple[Mirror, ...] = ()
    timeout_ms: int = 0
    retries: Retries | None = None
    rewrite: Rewrite = Rewrite()
    failure: int = 500


class Route(msgspec.Struct, frozen=True):
    """One rule: what is done with requests that match. `ref` and `path` are the object that says so, and its field.

    `rank` is its place in a table of Order.PRECISE: of all rules that match, the smallest is taken.
    """

    name: str
    match: Match
    action: Forward | Redirect | Answer
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
    def destinations(self) -> tuple[Destination, ...]:
        """Where requests go, if they go anywhere."""
        return self.action.destinations if isinstance(self.action, Forward) else ()

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """Where copies go, if they go anywhere."""
        return self.action.mirrors if isinstance(self.action, Forward) else ()


class StreamRoute(msgspec.Struct, frozen=True):
    """One rule for connections that are passed on as bytes: TLS by its server name, or any. Nothing is copied.

    No destination, or one that `fails`: they are closed. `datagrams`: it is for UDP, whose datagrams are then dropped.
    """

    match: StreamMatch
    destinations: tuple[Destination, ...]
    ref: Ref
    path: str = ""
    datagrams: bool = False

    @property
    def tls(self) -> bool:
        """Whether it is about TLS."""
        return bool(self.match.server_names)


class Order(Enum):
    """Which of several rules that match is taken: the first as written, or the one with the most precise match."""

    WRITTEN = "written"
    PRECISE = "precise"


class RouteTable(msgspec.Struct, frozen=True):
    """What one object says about the requests and the connections to some hosts, in order.

    `section`: at its gateways it is only for the server of that name, and its hosts are just those it is for there.

    `port`: it is only for calls to this port of the services that are its hosts, and all that is done there: what none
    of its routes takes is answered 404 (Gateway API). `path` is the field that says for whom it is.
    """

    ref: Ref
    hosts: tuple[str, ...]
    routes: tuple[Route, ...]
    streams: tuple[StreamRoute, ...] = ()
    gateways: tuple[str, ...] = ("mesh",)
    export_to: tuple[str, ...] = ("*",)
    created: str = ""
    section: str = ""
    order: Order = Order.WRITTEN
    port: int = 0
    path: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key of Istio's "oldest wins"."""
        return self.created, self.ref.name, self.ref.namespace
