"""ServiceEntry: a service outside Kubernetes; WorkloadEntry: a workload outside Kubernetes."""

from typing import Any

from mirrorplane.api.kinds.istio import GROUP, VERSIONS
from mirrorplane.api.meta import Kind, Wire


class Port(Wire, frozen=True):
    """A port of a ServiceEntry."""

    number: int
    name: str = ""
    protocol: str = ""
    target_port: int = 0


class WorkloadEntry(Wire, frozen=True):
    """A workload outside Kubernetes, on its own or inline in a ServiceEntry."""

    address: str = ""
    ports: dict[str, int] = {}
    labels: dict[str, str] = {}
    network: str = ""
    locality: str = ""
    weight: int = 1
    service_account: str = ""


class WorkloadSelector(Wire, frozen=True):
    """Workloads by labels. A ServiceEntry's `workloadSelector` spells them `labels`."""

    labels: dict[str, str] = {}


class ServiceEntry(Wire, frozen=True):
    """A service outside Kubernetes."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    location: str = "MESH_EXTERNAL"
    resolution: str = "NONE"
    endpoints: tuple[WorkloadEntry, ...] = ()
    workload_selector: WorkloadSelector | None = None
    export_to: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()


class GroupMetadata(Wire, frozen=True):
    """Metadata of the entries of a group."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class WorkloadGroup(Wire, frozen=True):
    """The template of WorkloadEntries for automatic registration. The content of `probe` is not decoded."""

    metadata: GroupMetadata = GroupMetadata()
    template: WorkloadEntry | None = None
    probe: Any = None


SERVICE_ENTRY = Kind(GROUP, VERSIONS, "ServiceEntry", ServiceEntry)
WORKLOAD_ENTRY = Kind(GROUP, VERSIONS, "WorkloadEntry", WorkloadEntry)
WORKLOAD_GROUP = Kind(GROUP, VERSIONS, "WorkloadGroup", WorkloadGroup)
