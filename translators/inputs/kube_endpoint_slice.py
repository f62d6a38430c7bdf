"""Kubernetes EndpointSlice -> EndpointGroup. Labels, and so subsets, come from the Pods that endpoints stand for."""

from collections.abc import Iterable

from api.kinds import kube
from api.mesh import Endpoint, EndpointGroup, Labels, Lowered
from api.meta import Object, Ref
from api.proxy import Locality
from api.view import View
from translators.contract import Input


def lower(view: View, obj: Object[kube.EndpointSlice]) -> Lowered:
    """Return a group for each port of the slice. Terminating endpoints are left out; unready ones are unhealthy."""
    service = obj.labels.get(kube.SERVICE_NAME_LABEL, "")
    if not service or obj.spec.address_type == "FQDN":
        return Lowered()
    owner = Ref(kube.SERVICE.key, obj.ref.namespace, service)
    alive = [e for e in obj.spec.endpoints if e.addresses and not e.conditions.terminating]
    groups = tuple(
        EndpointGroup(owner, port.name, tuple(_endpoint(view, obj.ref.namespace, e, port.port) for e in alive))
        for port in obj.spec.ports
    )
    return Lowered(endpoints=groups)


def _endpoint(view: View, namespace: str, endpoint: kube.SliceEndpoint, port: int) -> Endpoint:
    return Endpoint(
        locality=Locality(zone=endpoint.zone),
        address=endpoint.addresses[0],
        port=port,
        labels=_labels(view, namespace, endpoint.target_ref),
        healthy=endpoint.conditions.ready,
    )


def _labels(view: View, namespace: str, target: kube.TargetRef | None) -> Labels:
    if target is None or target.kind != kube.POD.name:
        return ()
    pod = view.get(Ref(kube.POD.key, target.namespace or namespace, target.name))
    return tuple(sorted(pod.labels.items())) if pod is not None else ()


def _service(obj: Object[kube.EndpointSlice]) -> Iterable[str]:
    name = obj.labels.get(kube.SERVICE_NAME_LABEL)
    return (str(Ref(kube.SERVICE.key, obj.ref.namespace, name)),) if name else ()


INPUT = Input(kinds=(kube.ENDPOINT_SLICE,), lower=lower, indexes={"endpoints.service": _service})
