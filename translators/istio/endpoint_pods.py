"""The Pods behind the endpoints that Kubernetes lists: their labels, which subsets select, and their addresses."""

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds import kube
from mirrorplane.api.meta import Labels, Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.local_endpoints import local_endpoint


def pod_labels(view: View, namespace: str, target: kube.TargetRef | None) -> Labels:
    """Return the labels of the Pod that an endpoint of a namespace is; none where it is not one."""
    pod = _pod(view, namespace, target)
    return tuple(sorted(pod.labels.items())) if pod is not None else ()


def local_problem(view: View, about: Ref, path: str, address: str, target: kube.TargetRef | None) -> Finding | None:
    """Return why an address is not used that is on the proxy's own machine; None for a Pod's (see decision 0128).

    The API server refuses such addresses in EndpointSlices and Endpoints.
    """
    finding = local_endpoint(view, about, path, address)
    if finding is None:
        return None
    pod = _pod(view, about.namespace, target)
    return finding if pod is None or pod.spec.status.pod_ip != address else None


def _pod(view: View, namespace: str, target: kube.TargetRef | None) -> Object[kube.Pod] | None:
    """Return the Pod that an endpoint is, if it is one that exists."""
    if target is None or target.kind != kube.POD.name:
        return None
    return view.get(Ref(kube.POD.key, target.namespace or namespace, target.name))
