"""Which requests and connections a rule is for: comparisons with paths, headers, query parameters, server names."""

from enum import Enum

import msgspec

from mirrorplane.api.meta import Labels
from mirrorplane.api.units import MILLION


class Op(Enum):
    """How a string is compared. BELOW: a path or one below it, a trailing slash ignored (Gateway API's PathPrefix)."""

    EXACT = "exact"
    PREFIX = "prefix"
    BELOW = "below"
    REGEX = "regex"
    PRESENT = "present"


class StringMatch(msgspec.Struct, frozen=True):
    """A comparison with one string. A regex is in RE2's syntax and must match the whole string."""

    op: Op
    value: str = ""


class FieldMatch(msgspec.Struct, frozen=True):
    """A comparison with a named header or query parameter; `:method`, `:authority` and `:scheme` are headers too."""

    name: str
    match: StringMatch
    invert: bool = False


class L4Match(msgspec.Struct, frozen=True):
    """Which connections, from which clients: by SNI server name and by destination address.

    `subnets` are CIDR ranges. An empty field matches everything, as does `port` 0.
    """

    server_names: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    port: int = 0
    source_labels: Labels = ()
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class Match(msgspec.Struct, frozen=True):
    """Which requests, from which clients. `port` 0 is any; empty `gateways` is any.

    `fraction` is in parts per MILLION, by the random number that Envoy draws for each request (see parts/weights).
    """

    path: StringMatch = StringMatch(Op.PREFIX, "/")
    ignore_case: bool = False
    headers: tuple[FieldMatch, ...] = ()
    query: tuple[FieldMatch, ...] = ()
    port: int = 0
    source_labels: Labels = ()
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    fraction: int = MILLION
