"""RouteConfigurations of a sidecar: one for each port that takes HTTP, and `http_proxy` for all of them.

A configuration is made of virtual hosts that were encoded before, so a change costs one part of them.
"""

from collections.abc import Iterable

from api.proxy import SIDECAR, Scope, Viewer
from api.resource import ROUTE, Resource
from api.view import View
from translators import arrivals, envoy, names, visible
from translators.contract import Output
from translators.parts import virtual_hosts
from translators.settings import mesh

_LARGEST_DIRECT_RESPONSE = 1 << 20


def configurations(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names: port numbers in decimal, and the HTTP proxy's (Istio).

    And `host:port` for services with addresses of their own, whose traffic is looked at there.
    """
    proxy = (names.HTTP_PROXY,) if view.memo(mesh).proxy_http_port else ()
    shared = (*(str(number) for number in view.memo(visible.http_ports, scope.viewer)), *proxy)
    parts = range(view.memo(visible.services, scope.viewer)) if scope.intercepted else ()
    return (shared, *(view.memo(arrivals.sniffed, scope.viewer, part) for part in parts))


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one configuration."""
    if name == names.HTTP_PROXY:
        found = (view.memo(virtual_hosts.on_port, scope, port) for port in view.memo(visible.http_ports, scope.viewer))
        frames = (frame for part in found for frame in part.proxied)
        return _configuration(view, scope.viewer, name, frames, ignore_port=False)
    host, _, port = name.rpartition(":")
    if host:
        alone = virtual_hosts.alone(view, scope, host, int(port))
        return _configuration(view, scope.viewer, name, (alone,), ignore_port=True)
    plain = view.memo(virtual_hosts.on_port, scope, int(port)).plain
    return _configuration(view, scope.viewer, name, plain, ignore_port=True)


def _configuration(view: View, viewer: Viewer, name: str, frames: Iterable[bytes], *, ignore_port: bool) -> Resource:
    """Return a configuration; one of a single service takes every request, and needs nothing for the rest."""
    head = envoy.encode(envoy.RouteConfiguration(name=name))
    tail = envoy.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    tail.validate_clusters.CopyFrom(envoy.BoolValue(value=False))
    tail.max_direct_response_body_size_bytes.CopyFrom(envoy.UInt32Value(value=_LARGEST_DIRECT_RESPONSE))
    rest = b"" if ":" in name else view.memo(virtual_hosts.catch_all, viewer)
    return envoy.resource(ROUTE, name, head, *frames, rest, envoy.encode(tail))


OUTPUT = Output(
    ROUTE, configurations, build, key=lambda scope: scope.client, serves=lambda scope: scope.role == SIDECAR
)
