"""RouteConfigurations of a sidecar: one for each port that takes HTTP, and `http_proxy` for all of them.

A configuration is made of virtual hosts that were encoded before, so a change costs one part of them.
"""

from collections.abc import Iterable

from api.proxy import SIDECAR, Scope, Viewer
from api.resource import ROUTE, Resource
from api.view import View
from translators import envoy, names, visible
from translators.contract import Output
from translators.lookups import mesh
from translators.parts import virtual_hosts

_LARGEST_DIRECT_RESPONSE = 1 << 20


def configurations(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names: port numbers in decimal, and the HTTP proxy's (Istio)."""
    proxy = (names.HTTP_PROXY,) if view.memo(mesh).proxy_http_port else ()
    return ((*(str(number) for number in view.memo(visible.http_ports, scope.viewer)), *proxy),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one configuration."""
    if name == names.HTTP_PROXY:
        found = (view.memo(virtual_hosts.on_port, scope, port) for port in view.memo(visible.http_ports, scope.viewer))
        return _configuration(
            view, scope.viewer, name, (frame for part in found for frame in part.proxied), ignore_port=False
        )
    return _configuration(
        view, scope.viewer, name, view.memo(virtual_hosts.on_port, scope, int(name)).plain, ignore_port=True
    )


def _configuration(view: View, viewer: Viewer, name: str, frames: Iterable[bytes], *, ignore_port: bool) -> Resource:
    head = envoy.encode(envoy.RouteConfiguration(name=name))
    tail = envoy.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    tail.validate_clusters.CopyFrom(envoy.BoolValue(value=False))
    tail.max_direct_response_body_size_bytes.CopyFrom(envoy.UInt32Value(value=_LARGEST_DIRECT_RESPONSE))
    rest = view.memo(virtual_hosts.catch_all, viewer)
    return envoy.resource(ROUTE, name, head, *frames, rest, envoy.encode(tail))


OUTPUT = Output(ROUTE, configurations, build, serves=lambda scope: scope.role == SIDECAR)
