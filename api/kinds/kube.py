"""Kubernetes' own kinds, with the fields that we use: Namespace, Service, Pod, EndpointSlice, Endpoints."""

from typing import Literal

from msgspec import field

from mirrorplane.api.meta import Kind, Wire


class ServicePort(Wire, frozen=True):
    """A port of a Service. `target_port` is a number or the name of a container port; 0 means `port`."""

    port: int
    name: str = ""
    target_port: int | str = 0
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: str = ""


class ServiceSpec(Wire, frozen=True):
    """v1 Service. `cluster_ip` "None" makes it headless, `type` ExternalName an alias of `external_name` in DNS."""

    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    type: str = "ClusterIP"
    external_name: str = ""
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")


class ContainerPort(Wire, frozen=True):
    """A port of a container; a Service's `targetPort` may name it."""

    container_port: int
    name: str = ""


class Container(Wire, frozen=True):
    """A container of a Pod, with the fields that endpoints need."""

    name: str = ""
    ports: tuple[ContainerPort, ...] = ()


class PodSpec(Wire, frozen=True):
    """v1 PodSpec, with the fields that endpoints need."""

    containers: tuple[Container, ...] = ()


class PodCondition(Wire, frozen=True):
    """One condition of a Pod; `Ready` decides whether its endpoints take traffic."""

    type: str
    status: str


class PodStatus(Wire, frozen=True):
    """The address of the Pod and whether it is ready. This status is input: Kubernetes writes it."""

    phase: str = ""
    pod_ip: str = field(default="", name="podIP")
    conditions: tuple[PodCondition, ...] = ()


class Pod(Wire, frozen=True):
    """v1 Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class TargetRef(Wire, frozen=True):
    """The object behind an endpoint, usually a Pod."""

    kind: str = ""
    namespace: str = ""
    name: str = ""


class EndpointConditions(Wire, frozen=True):
    """Missing conditions count as ready (Kubernetes)."""

    ready: bool = True
    serving: bool = True
    terminating: bool = False


class SliceEndpoint(Wire, frozen=True):
    """One endpoint of a slice; all of `addresses` are the same endpoint, and consumers use the first."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: TargetRef | None = None
    zone: str = ""


class SlicePort(Wire, frozen=True):
    """A port of a slice, matched to the Service's port by `name`."""

    name: str = ""
    port: int = 0
    protocol: str = "TCP"
    app_protocol: str = ""


class EndpointSlice(Wire, frozen=True):
    """discovery.k8s.io EndpointSlice; the label `kubernetes.io/service-name` names its Service."""

    address_type: str = "IPv4"
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()


class EndpointAddress(Wire, frozen=True):
    """An address of a subset of Endpoints."""

    ip: str
    target_ref: TargetRef | None = None


class EndpointPort(Wire, frozen=True):
    """A port of a subset of Endpoints, matched to the Service's port by `name`."""

    port: int
    name: str = ""


class EndpointSubset(Wire, frozen=True):
    """Addresses that all have the same ports."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(Wire, frozen=True):
    """v1 Endpoints, of the Service with the same name. Deprecated by Kubernetes in favour of EndpointSlices."""

    subsets: tuple[EndpointSubset, ...] = ()


class NamespaceSpec(Wire, frozen=True):
    """v1 Namespace: only its labels are used."""


SERVICE_NAME_LABEL = "kubernetes.io/service-name"

NAMESPACE = Kind(group="", versions=("v1",), name="Namespace", spec=NamespaceSpec, namespaced=False)
SERVICE = Kind(group="", versions=("v1",), name="Service", spec=ServiceSpec)
POD = Kind(group="", versions=("v1",), name="Pod", spec=Pod, whole_object=True)
ENDPOINT_SLICE = Kind(
    group="discovery.k8s.io", versions=("v1", "v1beta1"), name="EndpointSlice", spec=EndpointSlice, whole_object=True
)
ENDPOINTS = Kind(group="", versions=("v1",), name="Endpoints", spec=Endpoints, whole_object=True)
