"""The mesh model: what every input API is lowered to. Values are found by lookup, not as a tree.

Services and their endpoints are here; `routes` holds where requests go, `traffic_policy` how hosts are called and
`gateways` the listeners of routers.
"""

from collections.abc import Container
from enum import Enum

import msgspec

from mirrorplane.api.attachments import RouteAttachment
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
from mirrorplane.api.unenforced import UnenforcedPolicy


class Protocol(Enum):
    """The protocol of a port. AUTO: undeclared, so the proxy inspects the first bytes. TLS is passed through."""

    HTTP = "http"
    HTTP2 = "http2"
    TLS = "tls"
    TCP = "tcp"
    AUTO = "auto"
    UDP = "udp"

    @property
    def is_l4(self) -> bool:
        """Whether connections are forwarded unparsed, so that no request can be routed."""
        return self in _L4

    @property
    def is_http(self) -> bool:
        """Whether the port is declared to be HTTP."""
        return self in _HTTP


_L4, _HTTP = {Protocol.TLS, Protocol.TCP, Protocol.UDP}, {Protocol.HTTP, Protocol.HTTP2}


class Resolution(Enum):
    """Where a service's endpoints come from: EDS, DNS, or the original destination address (NONE)."""

    ENDPOINTS = "endpoints"
    DNS = "dns"
    DNS_ROUND_ROBIN = "dns_round_robin"
    NONE = "none"


class Port(msgspec.Struct, frozen=True):
    """A service port. `target_port` is a number, a container port's name, or 0 for the same number.

    `app_protocol` is the protocol that the object states in a field of its own; "" when it is derived from the name.
    """

    number: int
    name: str = ""
    protocol: Protocol = Protocol.AUTO
    target_port: int | str = 0
    app_protocol: str = ""


class Service(msgspec.Struct, frozen=True):
    """A host with ports. `selector` selects workloads of its namespace; empty selects none.

    `headless`: DNS resolves its name to the workloads' addresses, and clients dial those.
    `external_name`: it stands for a host outside the mesh; clients that resolve it dial addresses of that host, which
    the proxy does not know.
    `lists_endpoints`: DNS resolves those, and never the host itself, though none of them can be used.
    `subject_alt_names`: expected in its certificate when the policy originates TLS and lists none.
    """

    host: str
    namespace: str
    ports: tuple[Port, ...]
    ref: Ref
    addresses: tuple[str, ...] = ()
    resolution: Resolution = Resolution.ENDPOINTS
    selector: Labels = ()
    export_to: tuple[str, ...] = ("*",)
    headless: bool = False
    external_name: bool = False
    lists_endpoints: bool = False
    created: str = ""
    subject_alt_names: tuple[str, ...] = ()

    def with_ports(self, numbers: Container[int]) -> "Service":
        """Return the service with these ports only; 0 means all ports."""
        if 0 in numbers:
            return self
        return msgspec.structs.replace(self, ports=tuple(port for port in self.ports if port.number in numbers))


class Alias(msgspec.Struct, frozen=True):
    """A name that stands for a declared service: `target`, its host, or that of another alias.

    Kubernetes: a Service of type ExternalName.
    """

    host: str
    target: str
    ref: Ref
    export_to: tuple[str, ...] = ("*",)


class Workload(msgspec.Struct, frozen=True):
    """A Pod or a WorkloadEntry. `ports` maps port names (of the container or the service) to numbers.

    `in_endpoint_slices`: Kubernetes lists it in EndpointSlices too, which take precedence where a service has any.
    """

    namespace: str
    address: str
    labels: Labels = ()
    ports: tuple[tuple[str, int], ...] = ()
    healthy: bool = True
    locality: Locality = Locality()
    weight: int = 1
    in_endpoint_slices: bool = False


class Endpoint(msgspec.Struct, frozen=True, order=True):
    """One address of one service port. `weight` is relative to the other endpoints of its locality."""

    locality: Locality
    address: str
    port: int
    labels: Labels = ()
    healthy: bool = True
    weight: int = 1


class EndpointGroup(msgspec.Struct, frozen=True):
    """Endpoints that an object lists for the port named `port_name` of a service."""

    service: Ref
    port_name: str
    endpoints: tuple[Endpoint, ...]


class Lowered(msgspec.Struct, frozen=True):
    """What one Object lowers to, and the findings about it."""

    services: tuple[Service, ...] = ()
    aliases: tuple[Alias, ...] = ()
    workloads: tuple[Workload, ...] = ()
    endpoints: tuple[EndpointGroup, ...] = ()
    tables: tuple[RouteTable, ...] = ()
    policies: tuple[TrafficPolicy, ...] = ()
    backend_tls: tuple[BackendTls, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    credentials: tuple[Credential, ...] = ()
    grants: tuple[Grant, ...] = ()
    mirror_profiles: tuple[MirrorProfile, ...] = ()
    attachments: tuple[RouteAttachment, ...] = ()
    sidecar_scopes: tuple[SidecarScope, ...] = ()
    unenforced: tuple[UnenforcedPolicy, ...] = ()
    settings: SettingsOverlay | None = None
    findings: tuple[Finding, ...] = ()
