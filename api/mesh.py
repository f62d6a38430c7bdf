"""The mesh model: what all inputs mean, whatever API they were written in. Values found by lookup, not a tree."""

from enum import Enum
from typing import ClassVar

import msgspec

from api.finding import Finding
from api.meta import Ref
from api.proxy import Locality

MILLION = 1_000_000
Labels = tuple[tuple[str, str], ...]
"""Labels as sorted pairs, so that they can be compared, hashed and shared."""


class Protocol(Enum):
    """What a port speaks. AUTO: nobody said, so the proxy looks at the first bytes."""

    HTTP = "http"
    HTTP2 = "http2"
    TCP = "tcp"
    AUTO = "auto"
    UDP = "udp"


class Resolution(Enum):
    """Where a service's endpoints come from: us, DNS, or the address the client dialled."""

    ENDPOINTS = "endpoints"
    DNS = "dns"
    DNS_ROUND_ROBIN = "dns_round_robin"
    NONE = "none"


class Port(msgspec.Struct, frozen=True):
    """A port clients call. `target` is a number, a container port's name, or 0 for the same number."""

    number: int
    name: str = ""
    protocol: Protocol = Protocol.AUTO
    target: int | str = 0


class Service(msgspec.Struct, frozen=True):
    """Something with a host name that can be called. `selector` picks workloads of its namespace; empty picks none."""

    host: str
    namespace: str
    ports: tuple[Port, ...]
    ref: Ref
    addresses: tuple[str, ...] = ()
    resolution: Resolution = Resolution.ENDPOINTS
    selector: Labels = ()
    export_to: tuple[str, ...] = ("*",)
    external: bool = False
    created: str = ""


class Workload(msgspec.Struct, frozen=True):
    """Something that answers: a Pod or a WorkloadEntry. `ports` maps names (container or service port) to numbers.

    `sliced`: Kubernetes also lists it in EndpointSlices, and where there are any, they speak for it.
    """

    namespace: str
    address: str
    labels: Labels = ()
    ports: tuple[tuple[str, int], ...] = ()
    healthy: bool = True
    locality: Locality = Locality()
    weight: int = 1
    sliced: bool = False


class Endpoint(msgspec.Struct, frozen=True, order=True):
    """One address of one service port. `weight` is relative to its neighbours."""

    locality: Locality
    address: str
    port: int
    labels: Labels = ()
    healthy: bool = True
    weight: int = 1


class EndpointGroup(msgspec.Struct, frozen=True):
    """Endpoints that an object states for the port named `port_name` of a service."""

    service: Ref
    port_name: str
    endpoints: tuple[Endpoint, ...]


class Subset(msgspec.Struct, frozen=True):
    """The endpoints of a service that carry these labels."""

    name: str
    labels: Labels = ()


class TrafficPolicy(msgspec.Struct, frozen=True):
    """How to call a host: its subsets (Istio: DestinationRule)."""

    host: str
    namespace: str
    ref: Ref
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ("*",)
    created: str = ""


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


class MeshSettings(msgspec.Struct, frozen=True):
    """What holds for the whole mesh."""

    root_namespace: str = "istio-system"
    proxy_http_port: int = 15080
    connect_timeout_ms: int = 10_000
    allow_any: bool = True
    access_log: str = "/dev/stdout"
    shadow_suffix: bool = True
    guards: Guards = Guards()


class Lowered(msgspec.Struct, frozen=True):
    """What one Object means, and what we have to say about it."""

    services: tuple[Service, ...] = ()
    workloads: tuple[Workload, ...] = ()
    endpoints: tuple[EndpointGroup, ...] = ()
    tables: tuple[RouteTable, ...] = ()
    policies: tuple[TrafficPolicy, ...] = ()
    settings: MeshSettings | None = None
    findings: tuple[Finding, ...] = ()
