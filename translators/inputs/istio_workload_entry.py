"""Istio WorkloadEntry -> Workload."""

from collections.abc import Iterable, Iterator

from api.finding import Finding
from api.hosts import host_problem
from api.kinds.istio import service_entry as istio
from api.mesh import Lowered, Workload
from api.meta import Object
from api.units import PORTS, WEIGHTS
from api.view import View
from translators.contract import Input
from translators.istio.localities import locality_of


def lower(_: View, obj: Object[istio.WorkloadEntry]) -> Lowered:
    """Return the workload; labels of the metadata win over those of the spec (Istio)."""
    workload = Workload(
        namespace=obj.ref.namespace,
        address=obj.spec.address,
        labels=tuple(sorted(_merged(obj).items())),
        ports=tuple(sorted(obj.spec.ports.items())),
        locality=locality_of(obj.spec.locality),
        weight=obj.spec.weight or 1,
    )
    return Lowered(workloads=(workload,))


def validate(obj: Object[istio.WorkloadEntry]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if problem := host_problem(obj.spec.address):
        yield Finding(obj.ref, "InvalidAddress", problem, "spec.address")
    for name, number in obj.spec.ports.items():
        if number not in PORTS:
            yield Finding(obj.ref, "InvalidPort", f"port {number} is not in 1..65535", f"spec.ports.{name}")
    if obj.spec.weight not in WEIGHTS:
        message = f"weight {obj.spec.weight} is not in 0..{WEIGHTS[-1]}"
        yield Finding(obj.ref, "InvalidWeight", message, "spec.weight")


def _merged(obj: Object[istio.WorkloadEntry]) -> dict[str, str]:
    return {**obj.spec.labels, **obj.labels}


def _labels(obj: Object[istio.WorkloadEntry]) -> Iterable[str]:
    return (f"{obj.ref.namespace}|{key}={value}" for key, value in _merged(obj).items())


INPUT = Input(kinds=(istio.WORKLOAD_ENTRY,), lower=lower, validate=validate, indexes={"workload.label": _labels})
