"""Where requests go: matches, destinations, mirrors, and the tables that hold them."""

from enum import Enum
from typing import ClassVar

import msgspec

from api.meta import Labels, Ref
from api.units import MILLION


class Op(Enum):
    """How a string is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"
    PRESENT = "present"


class StringMatch(msgspec.Struct, frozen=True):
    """A comparison with one string. A regex is RE2's and must match the whole string."""

    op: Op
    value: str = ""


class FieldMatch(msgspec.Struct, frozen=True):
    """A comparison with a named header or query parameter; `:method`, `:authority`, `:scheme` are headers here."""

    name: str
    match: StringMatch
    invert: bool = False


class Match(msgspec.Struct, frozen=True):
    """Which requests, from which clients. `port` 0 is any; empty `gateways` is any."""

    path: StringMatch = StringMatch(Op.PREFIX, "/")
    ignore_case: bool = False
    headers: tuple[FieldMatch, ...] = ()
    query: tuple[FieldMatch, ...] = ()
    port: int = 0
    source_labels: Labels = ()
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class Destination(msgspec.Struct, frozen=True):
    """Where requests go. `port` 0: the service's only port, else the port of the listener (Istio's rule).

    `path` is the field of the object that says so.
    """

    host: str
    subset: str = ""
    port: int = 0
    weight: int = 1
    path: str = ""


class Guards(msgspec.Struct, frozen=True):
    """What keeps a copy from hurting the original.

    A request whose body is larger than `max_body_bytes` is not (fully) copied; at most `max_requests` copies are under
    way from one proxy to one target; a copy lives `deadline_ms` at most; connecting takes `connect_timeout_ms` at most.
    """

    max_body_bytes: int = 1 << 20
    max_requests: int = 128
    deadline_ms: int = 15_000
    connect_timeout_ms: int = 1_000

    LARGEST_BODY: ClassVar[int] = 1 << 20
    MOST_REQUESTS: ClassVar[int] = 1024

    @property
    def buffer_bytes(self) -> int:
        """The most that copies to one target can hold up: while buffers are this large, none pushes back."""
        return self.max_body_bytes * self.max_requests


class Mirror(msgspec.Struct, frozen=True):
    """A copy of requests, sent elsewhere; the answer is thrown away.

    `fraction` is in parts per MILLION. `shadow_suffix`: the copy's host gets Envoy's `-shadow`.
    """

    destination: Destination
    ref: Ref
    fraction: int = MILLION
    shadow_suffix: bool = False


class Route(msgspec.Struct, frozen=True):
    """One rule: requests that match go to the destinations by weight, and copies go to the mirrors.

    `timeout_ms` 0 means none. `path` is the field of the object that says so.
    """

    name: str
    match: Match
    destinations: tuple[Destination, ...]
    mirrors: tuple[Mirror, ...] = ()
    timeout_ms: int = 0
    path: str = ""


class RouteTable(msgspec.Struct, frozen=True):
    """What one object says about the requests to some hosts, in order."""

    ref: Ref
    hosts: tuple[str, ...]
    routes: tuple[Route, ...]
    gateways: tuple[str, ...] = ("mesh",)
    export_to: tuple[str, ...] = ("*",)
    created: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key of Istio's "oldest wins"."""
        return self.created, self.ref.name, self.ref.namespace
