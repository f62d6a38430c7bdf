"""RouteConfigurations of a router: one for each port with plain HTTP, and one for each HTTPS server.

A configuration joins virtual hosts that were encoded before, so a change costs one part of them.
"""

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import ROUTE, Resource
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Output
from mirrorplane.translators.parts import gateway_filter_chains
from mirrorplane.translators.parts.gateway_virtual_hosts import encode_hosts
from mirrorplane.translators.parts.route_configuration import configuration
from mirrorplane.translators.routers.servers import gateway_servers, merge_servers


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names: `http.<port>` and `https.<port>.<port name>.<gateway>.<namespace>` (Istio)."""
    bindings = view.memo(merge_servers, scope).bindings
    routes = (name for binding in bindings for name in view.memo(gateway_filter_chains.routes, scope, binding))
    return (tuple(dict.fromkeys(routes)),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one configuration."""
    return (
        configuration(name, view.memo(encode_hosts, scope, name)) if view.memo(gateway_servers, scope, name) else None
    )


OUTPUT = Output(ROUTE, names, build, serves=lambda scope: scope.role == ROUTER)
