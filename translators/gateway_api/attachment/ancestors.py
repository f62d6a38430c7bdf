"""Through which Gateways a BackendTLSPolicy is used: those at which some route sends or copies to a target of it."""

from mirrorplane.api.kinds.gateway_api.backend_tls_policy import BackendTLSPolicy
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.attachments import attached


def ancestors(view: View, obj: Object[BackendTLSPolicy]) -> tuple[Ref, ...]:
    """Return the Gateways, sorted. It reads the policies of its targets and the routes to them, and no others."""
    services = {said.service for said in view.lowered(obj.ref).backend_tls}
    return tuple(sorted({gateway for service in services for gateway in view.memo(_leading_to, service)}))


def _leading_to(view: View, service: Ref) -> frozenset[Ref]:
    routes = view.by("route.service", str(service))
    return frozenset(gateway for obj in routes for gateway in view.memo(_of_route, obj.ref))


def _of_route(view: View, route: Ref) -> frozenset[Ref]:
    obj = view.get(route)
    return frozenset(one.gateway for one in attached(view, obj)) if obj is not None else frozenset()
