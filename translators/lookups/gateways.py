"""Which gateways select a workload as their router."""

from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.view import View


def selecting_gateways(view: View, labels: Labels, namespace: str) -> tuple[Ref, ...]:
    """Return the gateways whose routers have these labels in a namespace, sorted."""
    keys = ("*", *(f"{key}={value}" for key, value in labels))
    gateways = (g for key in keys for obj in view.by("gateway.selector", key) for g in view.lowered(obj.ref).gateways)
    return tuple(sorted(gateway.ref for gateway in gateways if gateway.selects(labels, namespace)))
