"""Kubernetes Pod -> Workload."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import is_ip
from mirrorplane.api.kinds import kube
from mirrorplane.api.mesh import Lowered, Workload
from mirrorplane.api.meta import Object
from mirrorplane.api.units import PORTS
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input

_FINISHED = frozenset({"Succeeded", "Failed"})


def lower(_: View, obj: Object[kube.Pod]) -> Lowered:
    """Return the workload, if the Pod has an address and has not finished."""
    pod = obj.spec
    if not pod.status.pod_ip or pod.status.phase in _FINISHED:
        return Lowered()
    ports = {p.name: p.container_port for c in pod.spec.containers for p in c.ports if p.name}
    workload = Workload(
        namespace=obj.ref.namespace,
        address=pod.status.pod_ip,
        labels=tuple(sorted(obj.labels.items())),
        ports=tuple(sorted(ports.items())),
        healthy=_ready(pod.status),
        in_endpoint_slices=True,
    )
    return Lowered(workloads=(workload,))


def validate(obj: Object[kube.Pod]) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    if obj.spec.status.pod_ip and not is_ip(obj.spec.status.pod_ip):
        yield Finding(obj.ref, "InvalidAddress", f"{obj.spec.status.pod_ip!r} is not an IP address", "status.podIP")
    for i, container in enumerate(obj.spec.spec.containers):
        for j, port in enumerate(container.ports):
            if port.container_port not in PORTS:
                path = f"spec.containers[{i}].ports[{j}].containerPort"
                yield Finding(obj.ref, "InvalidPort", f"port {port.container_port} is not in 1..65535", path)


def _ready(status: kube.PodStatus) -> bool:
    """Tell whether a Pod is ready. Manifests written by hand have no conditions, and count as ready."""
    return all(c.status == "True" for c in status.conditions if c.type == "Ready")


def _labels(obj: Object[kube.Pod]) -> Iterable[str]:
    return (f"{obj.ref.namespace}|{key}={value}" for key, value in obj.labels.items())


def _namespace(obj: Object[kube.Pod]) -> Iterable[str]:
    return (obj.ref.namespace,)


INPUT = Input(
    kinds=(kube.POD,),
    lower=lower,
    validate=validate,
    indexes={"workload.label": _labels, "workload.namespace": _namespace},
)
