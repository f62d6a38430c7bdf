"""RouteConfigurations of a sidecar: one for each port with HTTP, and `http_proxy` for all of them.

A configuration joins virtual hosts that were encoded before, so a change costs one part of them.
"""

from mirrorplane.api.proxy import SIDECAR, Scope
from mirrorplane.api.resource import ROUTE, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import names
from mirrorplane.translators.contract import Output
from mirrorplane.translators.lookups import services
from mirrorplane.translators.parts import virtual_hosts
from mirrorplane.translators.parts.route_configuration import configuration
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars import outbound_listeners


def configurations(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names: port numbers in decimal, and the HTTP proxy's (Istio).

    And `host:port` for services that have listeners of their own with HTTP (decision 0101).
    """
    http_proxy = (names.HTTP_PROXY,) if view.memo(mesh).proxy_http_port else ()
    of_ports = tuple(str(number) for number in view.memo(services.http_ports, scope.visibility))
    partitions = view.memo(services.partitions, scope.visibility) if scope.intercepted else ()
    of_services = (
        view.memo(outbound_listeners.address_route_configs, scope.visibility, partition) for partition in partitions
    )
    return ((*of_ports, *http_proxy), *of_services)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one configuration."""
    if name == names.HTTP_PROXY:
        ports = view.memo(services.http_ports, scope.visibility)
        of_ports = (view.memo(virtual_hosts.on_port, scope, port) for port in ports)
        fields = (field for hosts in of_ports for field in hosts.proxied)
        # Here the port in a client's Host tells the services' ports apart.
        return configuration(name, (*fields, view.memo(virtual_hosts.catch_all, scope.visibility)), ignore_port=False)
    host, _, port = name.rpartition(":")
    if host:
        return configuration(name, (virtual_hosts.alone(view, scope, host, int(port)),))
    plain = view.memo(virtual_hosts.on_port, scope, int(port)).plain
    return configuration(name, (*plain, view.memo(virtual_hosts.catch_all, scope.visibility)))


OUTPUT = Output(
    ROUTE, configurations, build, cache_key=lambda scope: scope.outbound, serves=lambda scope: scope.role == SIDECAR
)
