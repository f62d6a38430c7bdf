"""One request and what becomes of it at a proxy: which routes were looked at, and what the one that holds does."""

import msgspec

from mirrorplane.api.actions import Pairs
from mirrorplane.api.meta import Ref


class Request(msgspec.Struct, frozen=True):
    """A request as it arrives at a proxy. `path` includes the query; names of headers are lower case.

    `port` is the listener's, 0 the HTTP proxy's. `dice` is the random number that Envoy draws for a request (0 to
    2**63 - 1): it decides shares and fractions, and None leaves them open. `tls`: it comes by TLS, so the proxy sees it
    only where TLS ends. `address` is the one that the client dialled, which only matters where the kernel tells.
    `datagrams`: it is no request, but something by UDP.
    """

    authority: str
    path: str = "/"
    method: str = "GET"
    scheme: str = "http"
    headers: Pairs = ()
    port: int = 0
    dice: int | None = None
    tls: bool = False
    address: str = ""
    datagrams: bool = False


class Origin(msgspec.Struct, frozen=True):
    """The object and the field of it that something was made from."""

    about: Ref
    path: str = ""


class Passed(msgspec.Struct, frozen=True):
    """A route that was looked at and did not match. `why` is a sentence about the first matcher that failed."""

    route: str
    why: str
    origin: Origin | None = None


class HeaderEdit(msgspec.Struct, frozen=True):
    """Changes of headers that are made in one go: first `remove`, then `set` (also `set_present`), then `add`.

    `set_present` replaces values only where there are some, `add_absent` adds only where there are none.
    """

    remove: tuple[str, ...] = ()
    set: Pairs = ()
    set_present: Pairs = ()
    add: Pairs = ()
    add_absent: Pairs = ()


class Target(msgspec.Struct, frozen=True):
    """Where requests may go, and as what. `weight` of `total` do; with a Request.dice only one target is left.

    `path`, `authority` and `headers` are the request's as it is sent on, as far as the configuration says: Envoy adds
    some of its own. `trouble` says why it answers `status` itself instead.
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
    response: tuple[HeaderEdit, ...] = ()
    trouble: str = ""
    status: int = 503


class Share(msgspec.Struct, frozen=True):
    """A cluster that bytes are passed on to: `weight` of `total` connections. `trouble` says why they are closed."""

    cluster: str
    weight: int
    total: int
    trouble: str = ""


class Copying(msgspec.Struct, frozen=True):
    """A mirror: `numerator` of `denominator` requests are copied to the cluster. `fires` is known with a Request.dice.

    The copy's authority is the original's with `-shadow` behind the name when `suffix` is set, or `authority`.
    """

    cluster: str
    host: str
    port: int
    subset: str
    numerator: int
    denominator: int
    suffix: bool
    fires: bool | None = None
    trouble: str = ""
    authority: str = ""


class Failing(msgspec.Struct, frozen=True):
    """Failures on purpose: `numerator` of `denominator` requests are answered `status`, and so for those delayed.

    `grpc_status` is told to gRPC clients, whose HTTP status is 200; 0 is none.
    """

    status: int
    grpc_status: int
    numerator: int
    denominator: int
    delay_ms: int
    delay_numerator: int
    delay_denominator: int


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """An answer from the proxy itself.

    `response` is what is changed on it; where a share of the route was chosen before (a failure on purpose), it is one
    of `ways` instead.
    """

    status: int
    location: str = ""
    body: bytes = b""
    response: tuple[HeaderEdit, ...] = ()
    ways: tuple[tuple[HeaderEdit, ...], ...] = ()


class Sending(msgspec.Struct, frozen=True, tag="sending"):
    """The request is sent on. Times are in milliseconds, 0 is none; `retry_on` is Envoy's list of conditions."""

    targets: tuple[Target, ...]
    copies: tuple[Copying, ...] = ()
    timeout_ms: int = 0
    retries: int = 0
    retry_on: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of a request. What was not reached is "" or None: no listener, no virtual host, no route.

    `request` has its path normalised, and the scheme that Envoy takes it to have. `shares` is set where bytes are
    passed on and no request is seen (TCP, TLS). `domain` is the name of the virtual host that matched, `later` the
    number of its routes that were not looked at any more. `filters` names those that the route configures. `status` is
    what the proxy answers by itself, 0 when the answer is somebody else's, or when that depends on the target.
    Without a Request.dice the route may be only for `numerator` of `denominator` requests; what becomes of the others
    is left open.
    """

    request: Request
    listener: str = ""
    chain: str = ""
    configuration: str = ""
    virtual_host: str = ""
    domain: str = ""
    route: str = ""
    origin: Origin | None = None
    passed: tuple[Passed, ...] = ()
    later: int = 0
    filters: tuple[str, ...] = ()
    failing: Failing | None = None
    action: Sending | Reply | None = None
    shares: tuple[Share, ...] = ()
    status: int = 0
    numerator: int = 1
    denominator: int = 1
