"""What becomes of requests: forwarded, redirected or answered; rewritten, retried, authorized, failed on purpose."""

from enum import Enum

import msgspec

from mirrorplane.api.matches import StringMatch

Pairs = tuple[tuple[str, str], ...]


class HeaderChanges(msgspec.Struct, frozen=True):
    """Header changes of a message: `set` replaces values, `add` appends some, both applied in order."""

    set: Pairs = ()
    add: Pairs = ()
    remove: tuple[str, ...] = ()

    def plus(self, changes: "HeaderChanges") -> "HeaderChanges":
        """Return these changes, followed by others."""
        return HeaderChanges((*self.set, *changes.set), (*self.add, *changes.add), (*self.remove, *changes.remove))


class Headers(msgspec.Struct, frozen=True):
    """Header changes of requests, and of the responses to them."""

    request: HeaderChanges = HeaderChanges()
    response: HeaderChanges = HeaderChanges()

    def plus(self, headers: "Headers") -> "Headers":
        """Return these changes, followed by others."""
        return Headers(self.request.plus(headers.request), self.response.plus(headers.response))


class DestinationFields(msgspec.Struct, frozen=True):
    """What an API calls the parts of a destination, below `Destination.path`: by default Istio's names."""

    host: str = "host"
    port: str = "port.number"
    subset: str = "subset"


class Destination(msgspec.Struct, frozen=True):
    """Where requests go. `port` 0: the service's only port, else the port of the listener (Istio's rule).

    `headers` and `rewrite_host` apply to the requests that go here. `path` is the object's field that names it.
    `fails`: it cannot be reached, so its share of requests is answered with an error (Gateway API), of connections
    closed, of datagrams dropped. `http2`: spoken to it although its port does not declare HTTP/2.
    `fields` are the names of its parts in the API that it was written in, for messages.
    """

    host: str
    subset: str = ""
    port: int = 0
    weight: int = 1
    path: str = ""
    headers: Headers = Headers()
    rewrite_host: str = ""
    fails: bool = False
    http2: bool = False
    fields: DestinationFields = DestinationFields()


class Rewrite(msgspec.Struct, frozen=True):
    """How a request is rewritten before it is forwarded; "" changes nothing.

    `path` replaces what was matched: a prefix, or the whole path. `pattern` (RE2) and `substitution` replace inside
    the path instead.
    """

    path: str = ""
    pattern: str = ""
    substitution: str = ""
    host: str = ""


class Retries(msgspec.Struct, frozen=True):
    """When to retry, and how often. By default twice, when the request cannot have been processed yet (Istio).

    `attempts` 0: never. `per_try_ms` and `backoff_ms` 0: Envoy's defaults.

    `other_hosts`: a retry avoids endpoints already tried; None: unless a hash chooses the endpoint.
    `other_localities`: it may leave the locality.
    """

    attempts: int = 2
    # Without `statuses`, "retriable-status-codes" retries nothing: Istio no longer retries 503 by default.
    on: tuple[str, ...] = ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes")
    statuses: tuple[int, ...] = ()
    per_try_ms: int = 0
    backoff_ms: int = 0
    other_hosts: bool | None = None
    other_localities: bool = False


class Redirect(msgspec.Struct, frozen=True):
    """A redirect response. A field that is "" or 0 keeps what the client sent.

    `path` replaces the whole path, `prefix` the matched part, and `substitution` what `pattern` (RE2) finds.
    `request_port`: to the port of the listener. `scheme_port`: to the scheme's default port, even where the client
    wrote another one (Gateway API).
    """

    code: int = 301
    host: str = ""
    path: str = ""
    prefix: str = ""
    scheme: str = ""
    port: int = 0
    request_port: bool = False
    scheme_port: bool = False
    pattern: str = ""
    substitution: str = ""


class Answer(msgspec.Struct, frozen=True):
    """A response from the proxy itself."""

    status: int
    body: bytes = b""


class Fault(msgspec.Struct, frozen=True):
    """Injected failures. Fractions are parts per MILLION. `abort_grpc` is a gRPC status; 0 is none."""

    delay_ms: int = 0
    delay_fraction: int = 0
    abort_http: int = 0
    abort_grpc: int = 0
    abort_fraction: int = 0


class UnmatchedPreflights(Enum):
    """What becomes of a preflight from an origin that is not allowed.

    FORWARD: it goes to the destination (Istio's default). ANSWER: by the proxy, without the origin (Istio's IGNORE).
    REFUSE: with 403 and no other header (Gateway API).
    """

    FORWARD = "forward"
    ANSWER = "answer"
    REFUSE = "refuse"


class Cors(msgspec.Struct, frozen=True):
    """Which other origins may read the responses. `max_age_s` < 0: not set."""

    origins: tuple[StringMatch, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age_s: int = -1
    credentials: bool | None = None
    unmatched_preflights: UnmatchedPreflights = UnmatchedPreflights.FORWARD


class Authorization(msgspec.Struct, frozen=True):
    """The external authorization of a request: over HTTP, at the request's path behind `prefix`, or Envoy's `grpc`.

    No response denies it. `headers` are those sent to the server; empty is all over gRPC, and over HTTP only those
    that are always sent. `upstream_headers` are those of its response that are added to the request; empty is all that
    do not describe the response itself. A request whose body exceeds `max_body_bytes` is denied; 0: no body is sent.
    """

    destination: Destination
    grpc: bool = False
    prefix: str = ""
    headers: tuple[str, ...] = ()
    upstream_headers: tuple[str, ...] = ()
    max_body_bytes: int = 0


class Session(msgspec.Struct, frozen=True):
    """Session persistence: a cookie, or a `header` of that name, leads requests to the endpoint of the first one.

    `path` and `ttl_ms` are the cookie's; 0 is until the browser closes.
    """

    name: str
    header: bool = False
    path: str = "/"
    ttl_ms: int = 0
