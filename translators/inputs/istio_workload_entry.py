"""Istio WorkloadEntry -> Workload."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import is_unix
from mirrorplane.api.kinds.istio import service_entry as istio
from mirrorplane.api.mesh import Lowered, Workload
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.workloads import (
    address_problem,
    has_no_address,
    locality_of,
    no_address,
    workload_findings,
)
from mirrorplane.translators.local_endpoints import local_endpoint
from mirrorplane.translators.partitions import address_keys, ref_partition

_HEALTH = "proxy.istio.io/health-checks-enabled"


def lower(view: View, obj: Object[istio.WorkloadEntry]) -> Lowered:
    """Return the workload; labels of the metadata win over those of the spec (Istio). None without an address."""
    if not obj.spec.address:
        return Lowered()
    if problem := local_endpoint(view, obj.ref, "spec.address", obj.spec.address):
        return Lowered(findings=(problem,))
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
    if has_no_address(obj.spec):
        yield no_address(obj.ref, "spec.address", "workload")
    elif problem := address_problem(obj.spec.address):
        yield Finding(obj.ref, "InvalidAddress", problem, "spec.address")
    if is_unix(obj.spec.address) and obj.spec.ports:
        message = f"unix endpoint {obj.spec.address} must not include ports"
        yield Finding(obj.ref, "InvalidAddress", message, "spec.ports")
    yield from workload_findings(obj.ref, "spec", obj.spec)
    if obj.annotations.get(_HEALTH) == "true":
        message = "health checks are not run; the workload is treated as healthy"
        path = f"metadata.annotations[{_HEALTH}]"
        yield Finding(obj.ref, "FieldLeftOut", message, path, Severity.WARNING)


def _merged(obj: Object[istio.WorkloadEntry]) -> dict[str, str]:
    return {**obj.spec.labels, **obj.labels}


def _labels(obj: Object[istio.WorkloadEntry]) -> Iterable[str]:
    return (f"{obj.ref.namespace}|{key}={value}" for key, value in _merged(obj).items())


def _addresses(obj: Object[istio.WorkloadEntry]) -> Iterable[str]:
    return address_keys(obj.ref.namespace, (obj.spec.address,)) if obj.spec.address else ()


def _partition(obj: Object[istio.WorkloadEntry]) -> Iterable[str]:
    return (ref_partition(obj.ref),)


def _namespace(obj: Object[istio.WorkloadEntry]) -> Iterable[str]:
    return (obj.ref.namespace,)


INPUT = Input(
    kinds=(istio.WORKLOAD_ENTRY,),
    lower=lower,
    validate=validate,
    indexes={
        "workload.label": _labels,
        "workload.namespace": _namespace,
        "workload.address": _addresses,
        "workload.address.partition": _partition,
    },
)
