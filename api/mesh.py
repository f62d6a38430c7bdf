"""The mesh model: what all inputs mean, whatever API they were written in. Values found by lookup, not a tree.

Services and who answers for them are here; `routes` says where requests go, `policies` how hosts are called,
`gateways` where requests come in.
"""

from collections.abc import Container
from enum import Enum

import msgspec

from mirrorplane.api.credentials import Credential
from mirrorplane.api.finding import Finding
from mirrorplane.api.gateways import Gateway
from mirrorplane.api.grants import Grant
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.mirrors import MirrorProfile
from mirrorplane.api.proxy import Locality
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.settings import SettingsOverlay
from mirrorplane.api.sidecar_scope import SidecarScope
from mirrorplane.api.traffic_policy import BackendTls, TrafficPolicy


class Protocol(Enum):
    """What a port speaks. AUTO: nobody said, so the proxy looks at the first bytes. TLS is passed on as it is."""

    HTTP = "http"
    HTTP2 = "http2"
    TLS = "tls"
    TCP = "tcp"
    AUTO = "auto"
    UDP = "udp"

    @property
    def is_bytes(self) -> bool:
        """Whether it is passed on unread: there are no requests to route."""
        return self in _BYTES

    @property
    def says_http(self) -> bool:
        """Whether it is HTTP for certain."""
        return self in _HTTP


_BYTES, _HTTP = {Protocol.TLS, Protocol.TCP, Protocol.UDP}, {Protocol.HTTP, Protocol.HTTP2}


class Resolution(Enum):
    """Where a service's endpoints come from: us, DNS, or the address the client dialled."""

    ENDPOINTS = "endpoints"
    DNS = "dns"
    DNS_ROUND_ROBIN = "dns_round_robin"
    NONE = "none"


class Port(msgspec.Struct, frozen=True):
    """A port clients call. `target` is a number, a container port's name, or 0 for the same number.

    `app_protocol` is what was said of the protocol in so many words; "" where it is told from the name, or not at all.
    """

    number: int
    name: str = ""
    protocol: Protocol = Protocol.AUTO
    target: int | str = 0
    app_protocol: str = ""


class Service(msgspec.Struct, frozen=True):
    """Something with a host name that can be called. `selector` picks workloads of its namespace; empty picks none.

    `headless`: clients dial the workloads themselves, whose addresses its name stands for.
    `names`: one of them has to be in its certificate, where it is called by TLS and the policy names none.
    """

    host: str
    namespace: str
    ports: tuple[Port, ...]
    ref: Ref
    addresses: tuple[str, ...] = ()
    resolution: Resolution = Resolution.ENDPOINTS
    selector: Labels = ()
    export_to: tuple[str, ...] = ("*",)
    external: bool = False
    headless: bool = False
    created: str = ""
    names: tuple[str, ...] = ()

    def less(self, numbers: Container[int]) -> "Service":
        """Return the service with these ports only; 0 stands for all of them."""
        if 0 in numbers:
            return self
        return msgspec.structs.replace(self, ports=tuple(port for port in self.ports if port.number in numbers))


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


class Lowered(msgspec.Struct, frozen=True):
    """What one Object means, and what we have to say about it."""

    services: tuple[Service, ...] = ()
    workloads: tuple[Workload, ...] = ()
    endpoints: tuple[EndpointGroup, ...] = ()
    tables: tuple[RouteTable, ...] = ()
    policies: tuple[TrafficPolicy, ...] = ()
    backend_tls: tuple[BackendTls, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    credentials: tuple[Credential, ...] = ()
    grants: tuple[Grant, ...] = ()
    mirror_profiles: tuple[MirrorProfile, ...] = ()
    sidecar_scopes: tuple[SidecarScope, ...] = ()
    settings: SettingsOverlay | None = None
    findings: tuple[Finding, ...] = ()
