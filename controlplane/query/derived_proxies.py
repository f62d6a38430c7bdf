"""The proxies that manifests alone suggest: a sidecar of each namespace, a router of each gateway."""

from typing import TYPE_CHECKING

from mirrorplane.api.proxy import ROUTER, SIDECAR, Proxy
from mirrorplane.translators.scopes import criteria, scope_of

if TYPE_CHECKING:
    from mirrorplane.controlplane.plane import Plane

_SIDECAR_NAME = "any-workload"


def derived_proxies(*planes: "Plane") -> list[Proxy]:
    """Return a proxy for each scope of the objects of some planes, each once, by role, namespace and name.

    Sidecars have no labels: a rule for some clients (sourceLabels) needs a proxy that is named.
    """
    proxies = {}
    for plane in planes:
        namespaces = sorted({ref.namespace for ref in plane.snapshot.objects if ref.namespace})
        for namespace in namespaces:
            proxies[SIDECAR, namespace, ""] = Proxy(SIDECAR, _SIDECAR_NAME, namespace)
        for selection in plane.engine.view.memo(criteria).gateways:
            namespace = selection.namespace or selection.gateway.namespace
            router = Proxy(ROUTER, selection.gateway.name, namespace, labels=dict(selection.labels))
            if scope_of(router, plane.engine.view.memo(criteria)).gateways:
                proxies[ROUTER, namespace, selection.gateway.name] = router
    return [proxy for _, proxy in sorted(proxies.items(), key=lambda item: (item[0][0] != SIDECAR, *item[0][1:]))]
