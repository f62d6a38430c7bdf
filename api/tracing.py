"""One request and its outcome at a proxy: which routes were evaluated, and what the one that matched does.

`mirrorplane explain` prints it; the tests compare it with a real Envoy.
"""

import msgspec

from mirrorplane.api.actions import Pairs
from mirrorplane.api.meta import FieldRef
from mirrorplane.api.mirrors import Guards


class Request(msgspec.Struct, frozen=True):
    """A request as it arrives at a proxy. `path` includes the query; names of headers are lower case.

    `port` is the listener's, 0 that of the HTTP proxy. `random_value` (0 to 2**63 - 1) is Envoy's random number for
    the request: it decides weights and fractions, and None leaves them open. `tls`: the client connects with TLS, so
    the proxy sees the request only if it terminates it. `address` is the one that the client dialled, which matters
    only with interception. `udp`: a datagram, not a request.
    """

    authority: str
    path: str = "/"
    method: str = "GET"
    scheme: str = "http"
    headers: Pairs = ()
    port: int = 0
    random_value: int | None = None
    tls: bool = False
    address: str = ""
    udp: bool = False


class SkippedRoute(msgspec.Struct, frozen=True):
    """A route that was evaluated and did not match. `reason` is about the first matcher that failed."""

    route: str
    reason: str
    origin: FieldRef | None = None


class HeaderEdit(msgspec.Struct, frozen=True):
    """Changes that one level makes to headers: first `remove`, then `set` (also `set_present`), then `add`.

    `set_present` replaces existing values only, `add_absent` adds only where the header is missing.
    """

    remove: tuple[str, ...] = ()
    set: Pairs = ()
    set_present: Pairs = ()
    add: Pairs = ()
    add_absent: Pairs = ()


class Target(msgspec.Struct, frozen=True):
    """A cluster that requests may be forwarded to: `weight` of `total`. A Request.random_value leaves only one target.

    `path`, `authority` and `headers` are those of the forwarded request as far as configuration decides: Envoy adds
    some headers of its own. `request_edits` are the changes that made the headers, also of headers that the request
    does not have. `problem`: why Envoy answers `status` itself instead.
    """

    cluster: str
    host: str
    port: int
    subset: str
    weight: int
    total: int
    path: str
    authority: str
    headers: Pairs = ()
    response_edits: tuple[HeaderEdit, ...] = ()
    problem: str = ""
    status: int = 503
    request_edits: tuple[HeaderEdit, ...] = ()


class WeightedCluster(msgspec.Struct, frozen=True):
    """A cluster that L4 connections go to: `weight` of `total`. `problem`: why they are closed instead."""

    cluster: str
    weight: int
    total: int
    problem: str = ""


class MirrorOutcome(msgspec.Struct, frozen=True):
    """A mirror: `numerator` of `denominator` requests are copied. `fires` is known with a Request.random_value.

    The copy's Host is `authority` if set, else the original's, with `-shadow` appended to the name if `shadow_suffix`.
    `edits` are header changes of the copy alone. `guards` are the limits of the mirror's cluster, where they are known.
    """

    cluster: str
    host: str
    port: int
    subset: str
    numerator: int
    denominator: int
    shadow_suffix: bool
    fires: bool | None = None
    problem: str = ""
    authority: str = ""
    edits: HeaderEdit = HeaderEdit()
    guards: Guards | None = None


class FaultOutcome(msgspec.Struct, frozen=True):
    """Injected faults: `numerator` of `denominator` requests are aborted with `status`; the same for delays.

    gRPC clients get `grpc_status` with HTTP status 200; 0 is none.
    """

    status: int
    grpc_status: int
    numerator: int
    denominator: int
    delay_ms: int
    delay_numerator: int
    delay_denominator: int


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """A response from the proxy itself: a redirect, a direct response, an abort, a preflight.

    `response_edits` are applied to it. An abort comes after Envoy chose a weighted cluster, so its edits are one of
    `target_edits` instead.
    """

    status: int
    location: str = ""
    body: bytes = b""
    response_edits: tuple[HeaderEdit, ...] = ()
    target_edits: tuple[tuple[HeaderEdit, ...], ...] = ()


class Forwarded(msgspec.Struct, frozen=True, tag="forwarded"):
    """The request is forwarded. Times are in milliseconds, 0 is none; `retry_on` is Envoy's list of conditions."""

    targets: tuple[Target, ...]
    mirrors: tuple[MirrorOutcome, ...] = ()
    timeout_ms: int = 0
    retries: int = 0
    retry_on: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What a proxy does with a request. A stage that was not reached (listener, virtual host, route) is "" or None.

    `request` has its path normalised, and the scheme that Envoy assigns. `l4_clusters` is set where the listener
    forwards connections without parsing requests (TCP, TLS, UDP). `domain` is the virtual host's name that matched,
    `remaining_routes` the number of its routes after the match. `filters` are those that the route configures.
    `status` is the proxy's own response, 0 when the upstream answers or when it depends on the target. Without a
    Request.random_value the route may apply to only `numerator` of `denominator` requests; the rest is left open.
    `hint` says why the request is not recognised as one to a service, where its host is that of one.
    """

    request: Request
    listener: str = ""
    filter_chain: str = ""
    route_configuration: str = ""
    virtual_host: str = ""
    domain: str = ""
    route: str = ""
    origin: FieldRef | None = None
    skipped: tuple[SkippedRoute, ...] = ()
    remaining_routes: int = 0
    filters: tuple[str, ...] = ()
    fault: FaultOutcome | None = None
    action: Forwarded | Reply | None = None
    l4_clusters: tuple[WeightedCluster, ...] = ()
    status: int = 0
    numerator: int = 1
    denominator: int = 1
    hint: str = ""
