"""Sidecar: which hosts the proxies of some workloads see, and their outbound and inbound listeners."""

from mirrorplane.api.kinds.istio import GROUP, VERSIONS
from mirrorplane.api.kinds.istio.destination_rule import ConnectionPool
from mirrorplane.api.kinds.istio.gateway import ServerTLSSettings
from mirrorplane.api.kinds.istio.service_entry import WorkloadSelector
from mirrorplane.api.kinds.istio.virtual_service import Destination
from mirrorplane.api.meta import Kind, Wire


class SidecarPort(Wire, frozen=True):
    """A port of a listener. Number 0: a Unix socket."""

    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int = 0


class IngressListener(Wire, frozen=True):
    """An inbound port of the workload."""

    port: SidecarPort | None = None
    bind: str = ""
    capture_mode: str = "DEFAULT"
    default_endpoint: str = ""
    tls: ServerTLSSettings | None = None
    connection_pool: ConnectionPool | None = None


class EgressListener(Wire, frozen=True):
    """An outbound listener and the hosts (`namespace/dnsName`) that it reaches. Without port: all other ports."""

    port: SidecarPort | None = None
    bind: str = ""
    capture_mode: str = "DEFAULT"
    hosts: tuple[str, ...] = ()


class OutboundTrafficPolicy(Wire, frozen=True):
    """What happens to requests to unknown hosts; Istio's default here is REGISTRY_ONLY."""

    mode: str = "REGISTRY_ONLY"
    egress_proxy: Destination | None = None


class Sidecar(Wire, frozen=True):
    """The scope of the workloads in its namespace with these labels, or of all of them."""

    workload_selector: WorkloadSelector | None = None
    ingress: tuple[IngressListener, ...] = ()
    egress: tuple[EgressListener, ...] = ()
    inbound_connection_pool: ConnectionPool | None = None
    outbound_traffic_policy: OutboundTrafficPolicy | None = None


SIDECAR = Kind(GROUP, VERSIONS, "Sidecar", Sidecar)
