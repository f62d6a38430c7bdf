"""ServiceEntry: a service that Kubernetes does not know; WorkloadEntry: a workload that it does not run."""

from api.kinds.istio import GROUP, VERSIONS
from api.meta import Kind, Wire


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
    locality: str = ""
    weight: int = 1


class WorkloadSelector(Wire, frozen=True):
    """Workloads by labels. A ServiceEntry's `workloadSelector` spells them `labels`."""

    labels: dict[str, str] = {}


class ServiceEntry(Wire, frozen=True):
    """A service that Kubernetes does not know."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    location: str = "MESH_EXTERNAL"
    resolution: str = "NONE"
    endpoints: tuple[WorkloadEntry, ...] = ()
    workload_selector: WorkloadSelector | None = None
    export_to: tuple[str, ...] = ()


SERVICE_ENTRY = Kind(GROUP, VERSIONS, "ServiceEntry", ServiceEntry)
WORKLOAD_ENTRY = Kind(GROUP, VERSIONS, "WorkloadEntry", WorkloadEntry)
