"""Which requests and connections are meant: comparisons with paths, headers, query parameters, server names."""

from enum import Enum

import msgspec

from mirrorplane.api.meta import Labels
from mirrorplane.api.units import MILLION


class Op(Enum):
    """How a string is compared. BELOW: a path, or one below it; a slash at its end does not count (Gateway API)."""

    EXACT = "exact"
    PREFIX = "prefix"
    BELOW = "below"
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


class StreamMatch(msgspec.Struct, frozen=True):
    """Which connections, from which clients: by the server name that TLS asks for, by where they were meant to go.

    `subnets` are CIDR ranges. Empty fields ask for nothing, and so does `port` 0.
    """

    server_names: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    port: int = 0
    source_labels: Labels = ()
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class Match(msgspec.Struct, frozen=True):
    """Which requests, from which clients. `port` 0 is any; empty `gateways` is any.

    `among`: of a MILLION requests so many are meant, by the number that Envoy draws for each (see parts/weights).
    """

    path: StringMatch = StringMatch(Op.PREFIX, "/")
    ignore_case: bool = False
    headers: tuple[FieldMatch, ...] = ()
    query: tuple[FieldMatch, ...] = ()
    port: int = 0
    source_labels: Labels = ()
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    among: int = MILLION
