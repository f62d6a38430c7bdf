"""Which workloads a selector selects, and whether it selects any."""

from collections.abc import Iterator

from mirrorplane.api.mesh import Workload
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.view import View


def selected_workloads(view: View, namespace: str, selector: Labels) -> Iterator[tuple[Ref, Workload]]:
    """Yield the workloads of a namespace that have all labels of a selector, and their objects; none without labels."""
    labels = set(selector)
    # The index finds workloads by one label; the others are compared.
    for key, value in selector[:1]:
        for obj in view.by("workload.label", f"{namespace}|{key}={value}"):
            for workload in view.lowered(obj.ref).workloads:
                if labels <= set(workload.labels):
                    yield obj.ref, workload


def selects_nothing(view: View, namespace: str, selector: Labels) -> bool:
    """Tell whether a namespace has workloads, and a selector none of them. Those without an address count too.

    Without any the answer is no: then they are not among the manifests, which have Deployments or nothing of the kind.
    """
    if not view.memo(_has_workloads, namespace):
        return False
    keys = (f"{namespace}|{key}={value}" for key, value in selector)
    selected = [{obj.ref for obj in view.by("workload.label", key)} for key in keys]
    return bool(selected) and not set.intersection(*selected)


def _has_workloads(view: View, namespace: str) -> bool:
    return bool(view.by("workload.namespace", namespace))
