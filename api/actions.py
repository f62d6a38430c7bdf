"""What is done with requests: sent on, redirected, answered; changed, failed on purpose, shared across origins."""

import msgspec

from mirrorplane.api.matches import StringMatch

Pairs = tuple[tuple[str, str], ...]


class HeaderChanges(msgspec.Struct, frozen=True):
    """Changes of the headers of a message: `set` replaces values, `add` adds some, each in the order of names."""

    set: Pairs = ()
    add: Pairs = ()
    remove: tuple[str, ...] = ()


class Headers(msgspec.Struct, frozen=True):
    """Changes of the headers of requests, and of the responses to them."""

    request: HeaderChanges = HeaderChanges()
    response: HeaderChanges = HeaderChanges()


class Destination(msgspec.Struct, frozen=True):
    """Where requests go. `port` 0: the service's only port, else the port of the listener (Istio's rule).

    `headers` and `rewrite_host` hold for the requests that go here. `path` is the field of the object that says so.
    `fails`: there is nothing that could be sent to: requests that would go here are answered with an error (Gateway
    API), connections are closed, and datagrams are dropped. `http2`: HTTP/2 is spoken to it, which its port does not
    say.
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


class Rewrite(msgspec.Struct, frozen=True):
    """How a request is changed before it is sent on; "" changes nothing.

    `path` replaces what the match compared: a prefix, or the whole path. `pattern` (RE2) and `substitution` replace
    inside the path instead.
    """

    path: str = ""
    pattern: str = ""
    substitution: str = ""
    host: str = ""


class Retries(msgspec.Struct, frozen=True):
    """When to try again, and how often. By default two more tries, when nothing can have happened yet (Istio).

    `attempts` 0: never. `per_try_ms` and `backoff_ms` 0: as Envoy does.

    `elsewhere`: another endpoint is tried; None: unless a hash chooses it. `remote`: so are other localities.
    """

    attempts: int = 2
    on: tuple[str, ...] = ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes")
    statuses: tuple[int, ...] = ()
    per_try_ms: int = 0
    backoff_ms: int = 0
    elsewhere: bool | None = None
    remote: bool = False


class Redirect(msgspec.Struct, frozen=True):
    """An answer that sends the client elsewhere. What is "" or 0 stays as the client said it.

    `path` replaces the whole path, `prefix` the part that the match compared, and `substitution` what `pattern` (RE2)
    finds. `same_port`: the port that was called. `own_port`: the scheme's own, whatever the client said (Gateway API).
    """

    code: int = 301
    host: str = ""
    path: str = ""
    prefix: str = ""
    scheme: str = ""
    port: int = 0
    same_port: bool = False
    own_port: bool = False
    pattern: str = ""
    substitution: str = ""


class Answer(msgspec.Struct, frozen=True):
    """An answer from the proxy itself."""

    status: int
    body: bytes = b""


class Fault(msgspec.Struct, frozen=True):
    """Failures on purpose. Fractions are parts per MILLION. `abort_grpc` is a gRPC status, which 0 is none of."""

    delay_ms: int = 0
    delay_fraction: int = 0
    abort_http: int = 0
    abort_grpc: int = 0
    abort_fraction: int = 0


class Cors(msgspec.Struct, frozen=True):
    """Which other origins may read the answers. `max_age_s` < 0: not said."""

    origins: tuple[StringMatch, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age_s: int = -1
    credentials: bool | None = None
    forward_unmatched: bool = True


class Authorization(msgspec.Struct, frozen=True):
    """Who is asked whether a request may go on: by HTTP, at the request's path behind `prefix`, or by Envoy's `grpc`.

    No answer is a no. `headers` are those that are told: none named are all by gRPC, and by HTTP only those that always
    are. `passed_on` are those of the answer that go on with the request; none named: all that are not about the answer
    itself. A request whose body is longer than `max_body_bytes` is refused; 0: nobody is told the body.
    """

    destination: Destination
    grpc: bool = False
    prefix: str = ""
    headers: tuple[str, ...] = ()
    passed_on: tuple[str, ...] = ()
    max_body_bytes: int = 0


class Session(msgspec.Struct, frozen=True):
    """Requests that show what the first was given reach its endpoint: a cookie, or a `header` of that name.

    `path` and `ttl_ms` are the cookie's; 0 is until the browser closes.
    """

    name: str
    header: bool = False
    path: str = "/"
    ttl_ms: int = 0
