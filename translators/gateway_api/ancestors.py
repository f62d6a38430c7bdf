"""Through which Gateways a BackendTLSPolicy is used: those at which some route sends or copies to a target of it."""

from collections.abc import Iterator

from api.kinds.gateway_api.backend_tls_policy import BackendTLSPolicy
from api.kinds.gateway_api.gateway import GATEWAY
from api.meta import Object, Ref
from api.view import View
from translators.gateway_api.names import API


def ancestors(view: View, obj: Object[BackendTLSPolicy]) -> tuple[Ref, ...]:
    """Return the Gateways, sorted. It reads the policies of its targets and the routes to them, and no others."""
    services = {said.service for said in view.lowered(obj.ref).service_tls}
    return tuple(sorted({gateway for service in services for gateway in view.memo(_leading_to, service)}))


def _leading_to(view: View, service: Ref) -> frozenset[Ref]:
    return frozenset(gateway for obj in view.by("route.service", str(service)) for gateway in _of_route(view, obj.ref))


def _of_route(view: View, route: Ref) -> Iterator[Ref]:
    for table in view.lowered(route).tables:
        for name in table.gateways:
            api, _, place = name.rpartition(":")
            if api == API:
                yield Ref(GATEWAY.key, *place.split("/", 1))
