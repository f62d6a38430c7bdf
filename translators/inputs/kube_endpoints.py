"""Kubernetes Endpoints -> EndpointGroup, for Services without selector that no EndpointSlice lists endpoints of.

Kubernetes copies such Endpoints to slices, which then take precedence (EndpointSliceMirroring controller).
"""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import is_ip
from mirrorplane.api.kinds import kube
from mirrorplane.api.mesh import Endpoint, EndpointGroup, Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.proxy import Locality
from mirrorplane.api.units import PORTS
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.endpoint_pods import local_problem, pod_labels

_Listed = tuple[str, kube.EndpointAddress, bool]
"""The field of an address, the address, and whether it is ready."""


def lower(view: View, obj: Object[kube.Endpoints]) -> Lowered:
    """Return a group for each port of each subset. Addresses that are not ready are unhealthy."""
    service, groups, findings = _service_ref(obj), [], []
    for i, subset in enumerate(obj.spec.subsets):
        problems = {
            path: local_problem(view, obj.ref, path, address.ip, address.target_ref)
            for path, address, _ in _listed(i, subset)
        }
        findings += [problem for problem in problems.values() if problem]
        usable = [(address, ready) for path, address, ready in _listed(i, subset) if not problems[path]]
        for port in subset.ports:
            endpoints = tuple(_endpoint(view, obj, address, port.port, ready=ready) for address, ready in usable)
            groups.append(EndpointGroup(service, port.name, endpoints))
    return Lowered(endpoints=tuple(groups), findings=tuple(findings))


def validate(obj: Object[kube.Endpoints]) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    for i, subset in enumerate(obj.spec.subsets):
        for j, port in enumerate(subset.ports):
            if port.port not in PORTS:
                path = f"subsets[{i}].ports[{j}].port"
                yield Finding(obj.ref, "InvalidPort", f"port {port.port} is not in 1..65535", path)
        for path, address, _ in _listed(i, subset):
            if not is_ip(address.ip):
                yield Finding(obj.ref, "InvalidAddress", f"{address.ip!r} is not an IP address", path)


def _listed(i: int, subset: kube.EndpointSubset) -> Iterator[_Listed]:
    """Yield the addresses of the subset with an index."""
    for j, address in enumerate(subset.addresses):
        yield f"subsets[{i}].addresses[{j}].ip", address, True
    for j, address in enumerate(subset.not_ready_addresses):
        yield f"subsets[{i}].notReadyAddresses[{j}].ip", address, False


def _endpoint(
    view: View, obj: Object[kube.Endpoints], address: kube.EndpointAddress, port: int, *, ready: bool
) -> Endpoint:
    labels = pod_labels(view, obj.ref.namespace, address.target_ref)
    return Endpoint(Locality(), address.ip, port, labels, ready)


def _service_ref(obj: Object[kube.Endpoints]) -> Ref:
    return Ref(kube.SERVICE.key, obj.ref.namespace, obj.ref.name)


def _service(obj: Object[kube.Endpoints]) -> Iterable[str]:
    return (str(_service_ref(obj)),)


INPUT = Input(kinds=(kube.ENDPOINTS,), lower=lower, validate=validate, indexes={"endpoints.v1": _service})
