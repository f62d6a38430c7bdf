"""Which mirrors may lead back to a route that copies again: those that may arrive at a proxy. See decision 0125."""

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.mesh import Resolution
from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import SHADOW_SUFFIX, Mirror
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import Forward, Route
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.endpoints import endpoint_labels
from mirrorplane.translators.lookups.gateways import selecting_gateways
from mirrorplane.translators.lookups.policies import target_port
from mirrorplane.translators.lookups.services import find_service


def mark_returning(view: View, visibility: Visibility, route: Route, host: str, listener_port: int) -> Route:
    """Return a route of the virtual host of a domain with `returns` on the mirrors whose copies may come back to it."""

    def marked(mirror: Mirror) -> Mirror:
        returns = matches_copy(mirror, host) and leads_to_proxy(view, visibility, mirror.destination, listener_port)
        return msgspec.structs.replace(mirror, returns=True) if returns else mirror

    def with_marks(forward: Forward) -> Forward:
        return msgspec.structs.replace(forward, mirrors=tuple(map(marked, forward.mirrors)))

    # Nearly all mirrors have their own Host or none: this spares them the copies.
    return route.map_forwards(with_marks) if any(matches_copy(mirror, host) for mirror in route.mirrors) else route


def matches_copy(mirror: Mirror, host: str) -> bool:
    """Tell whether a domain may match the Host of copies of what it matches: `web` does not match `web-shadow`."""
    if not mirror.shadow_suffix or mirror.host or mirror.profile:
        return True
    wildcard, domain = host.startswith("*"), host.removeprefix("*")
    return wildcard and f"{domain}{SHADOW_SUFFIX}".endswith(domain)


def leads_to_proxy(view: View, visibility: Visibility, destination: Destination, listener_port: int) -> bool:
    """Tell whether what is sent to a destination may arrive at a proxy, and not at a workload.

    Whatever lies behind a name that DNS resolves, or behind an address that no Pod has, may be a proxy.
    """
    service = view.memo(find_service, visibility, destination.host)
    if service is None or service.resolution is not Resolution.ENDPOINTS:
        return service is not None
    port = target_port(view, visibility, destination, listener_port)
    return view.memo(_has_proxy, service.ref, service.host, port)


def _has_proxy(view: View, owner: Ref, host: str, number: int) -> bool:
    labels = view.memo(endpoint_labels, owner, host, number)
    return any(not each or view.memo(selecting_gateways, each, owner.namespace) for each in labels)
