"""Endpoints that objects must not have unless the mesh allows it: those on the machine of the proxy that dials them."""

from mirrorplane.api.finding import Finding
from mirrorplane.api.local_addresses import is_listed, local_kind
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.settings import mesh


def local_endpoint(view: View, about: Ref, path: str, address: str) -> Finding | None:
    """Return why an endpoint of an object is not used, or None. The mesh's settings are read for local addresses only.

    See decision 0128.
    """
    kind = local_kind(address)
    if not kind or is_listed(address, view.memo(mesh).local_endpoints):
        return None
    message = (
        f"{address} is {kind}: proxies would send requests of their clients to services that trust the proxy's"
        " machine, such as Envoy's admin interface; the endpoint is not used"
    )
    fix = "use the address of the workload, or list this one in localEndpoints of Mirrorplane's MeshConfig"
    return Finding(about, "LocalEndpoint", message, path, fix=fix)
