"""Kubernetes EndpointSlice -> EndpointGroup. Labels, which subsets select, come from the endpoints' Pods."""

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

_NAMES = "FQDN"


def lower(view: View, obj: Object[kube.EndpointSlice]) -> Lowered:
    """Return a group for each port of the slice. Terminating endpoints are omitted, unready ones unhealthy."""
    service = obj.labels.get(kube.SERVICE_NAME_LABEL, "")
    if not service or obj.spec.address_type == _NAMES:
        return Lowered()
    owner = Ref(kube.SERVICE.key, obj.ref.namespace, service)
    # Istio drops terminating endpoints too, except for services with persistent sessions.
    findings = tuple(_local_findings(view, obj))
    local = {finding.path for finding in findings}
    alive = [
        endpoint
        for i, endpoint in enumerate(obj.spec.endpoints)
        if endpoint.addresses and not endpoint.conditions.terminating and _path(i) not in local
    ]
    groups = tuple(
        EndpointGroup(owner, port.name, tuple(_endpoint(view, obj.ref.namespace, e, port.port) for e in alive))
        for port in obj.spec.ports
    )
    return Lowered(endpoints=groups, findings=findings)


def validate(obj: Object[kube.EndpointSlice]) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    for i, port in enumerate(obj.spec.ports):
        if port.port not in PORTS:
            yield Finding(obj.ref, "InvalidPort", f"port {port.port} is not in 1..65535", f"ports[{i}].port")
    for i, endpoint in enumerate(obj.spec.endpoints):
        for j, address in enumerate(endpoint.addresses):
            if obj.spec.address_type != _NAMES and not is_ip(address):
                message = f"{address!r} is not an IP address"
                yield Finding(obj.ref, "InvalidAddress", message, f"endpoints[{i}].addresses[{j}]")


def _local_findings(view: View, obj: Object[kube.EndpointSlice]) -> Iterator[Finding]:
    """Report addresses on the proxy's own machine, as the API server does, less those of Pods (see decision 0128)."""
    for i, endpoint in enumerate(obj.spec.endpoints):
        if endpoint.addresses:
            problem = local_problem(view, obj.ref, _path(i), endpoint.addresses[0], endpoint.target_ref)
            yield from (problem,) if problem else ()


def _path(i: int) -> str:
    return f"endpoints[{i}].addresses[0]"


def _endpoint(view: View, namespace: str, endpoint: kube.SliceEndpoint, port: int) -> Endpoint:
    return Endpoint(
        # A slice has no region: that is a label of the Node, and Nodes are not read.
        locality=Locality(zone=endpoint.zone),
        # Kubernetes defines no meaning for a second address, and kube-proxy does not look at it.
        address=endpoint.addresses[0],
        port=port,
        labels=pod_labels(view, namespace, endpoint.target_ref),
        healthy=endpoint.conditions.ready,
    )


def _service(obj: Object[kube.EndpointSlice]) -> Iterable[str]:
    name = obj.labels.get(kube.SERVICE_NAME_LABEL)
    return (str(Ref(kube.SERVICE.key, obj.ref.namespace, name)),) if name else ()


INPUT = Input(kinds=(kube.ENDPOINT_SLICE,), lower=lower, validate=validate, indexes={"endpoints.service": _service})
