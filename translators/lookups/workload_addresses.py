"""Which services a workload belongs to by its address alone: ServiceEntries with it as endpoint, and WorkloadEntries.

Istio matches within the namespace, as Kubernetes' services do (GetProxyServiceTargets in
pilot/pkg/serviceregistry/serviceentry/controller.go). Pods have labels, which their sidecars state.
"""

from collections.abc import Iterator

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.mesh import Service
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.view import View


def listed_addresses(view: View, ref: Ref) -> frozenset[str]:
    """Return the IP addresses of the workloads that an object declares or lists."""
    lowered = view.lowered(ref)
    listed = (endpoint.address for group in lowered.endpoints for endpoint in group.endpoints)
    return frozenset(filter(is_ip, (*listed, *(workload.address for workload in lowered.workloads))))


def services_at_address(view: View, namespace: str, address: str) -> tuple[Service, ...]:
    """Return the services of a namespace that have an address as endpoint, or select a workload with it, each once."""
    services: list[Service] = []
    for obj in view.by("workload.address", f"{namespace}|{address}"):
        lowered = view.lowered(obj.ref)
        services += lowered.services
        for workload in lowered.workloads:
            services += selecting_services(view, namespace, workload.labels)
    return tuple(dict.fromkeys(services))


def selecting_services(view: View, namespace: str, labels: Labels) -> Iterator[Service]:
    """Yield the services of a namespace that select workloads with these labels."""
    for key, value in labels:
        for obj in view.by("selector", f"{namespace}|{key}={value}"):
            yield from (s for s in view.lowered(obj.ref).services if set(s.selector) <= set(labels))
