"""Does a selector select a workload? Pods and WorkloadEntries count, also those that have no address yet."""

from mirrorplane.api.meta import Labels
from mirrorplane.api.view import View


def selects_nothing(view: View, namespace: str, selector: Labels) -> bool:
    """Tell whether a namespace has workloads, and a selector none of them.

    Without any the answer is no: then they are not among the manifests, which have Deployments or nothing of the kind.
    """
    if not view.memo(_has_workloads, namespace):
        return False
    keys = (f"{namespace}|{key}={value}" for key, value in selector)
    selected = [{obj.ref for obj in view.by("workload.label", key)} for key in keys]
    return bool(selected) and not set.intersection(*selected)


def _has_workloads(view: View, namespace: str) -> bool:
    return bool(view.by("workload.namespace", namespace))
