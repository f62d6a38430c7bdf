"""RouteConfigurations: one for each port that takes HTTP, and `http_proxy` for all of them.

A configuration is a join of virtual hosts that were encoded before, so a change costs one virtual host and a copy.
"""

from collections.abc import Iterable

from api.proxy import Scope
from api.resource import ROUTE, Resource
from api.view import View
from translators import envoy, names, visible
from translators.contract import Output
from translators.lookups import mesh
from translators.parts import virtual_hosts
from translators.parts.domains import with_port
from translators.parts.virtual_hosts import VirtualHost

_VIRTUAL_HOSTS_FIELD = 2


def configurations(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the names: port numbers in decimal, and the HTTP proxy's (Istio)."""
    numbers = [n for n, _ in view.memo(visible.ports, scope.namespace) if view.memo(virtual_hosts.http_hosts, scope, n)]
    proxy = (names.HTTP_PROXY,) if view.memo(mesh).proxy_http_port else ()
    return (*(str(n) for n in numbers), *proxy)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one configuration."""
    if name == names.HTTP_PROXY:
        return _configuration(view, name, _for_proxy(view, scope), ignore_port=False)
    if not name.isdigit():
        return None
    return _configuration(view, name, view.memo(virtual_hosts.on_port, scope, int(name)), ignore_port=True)


def _for_proxy(view: View, scope: Scope) -> list[VirtualHost]:
    """Return the virtual hosts of every port; clients of an HTTP proxy say the port in the name."""
    return [
        VirtualHost(host.name, with_port(host.domains, int(number)), host.rest, host.uses)
        for number in view.memo(configurations, scope)
        if number != names.HTTP_PROXY
        for host in view.memo(virtual_hosts.on_port, scope, int(number))
    ]


def _configuration(view: View, name: str, hosts: Iterable[VirtualHost], *, ignore_port: bool) -> Resource:
    kept = [*_without_repeats(hosts), view.memo(virtual_hosts.catch_all)]
    head = envoy.encode(envoy.RouteConfiguration(name=name))
    tail = envoy.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    tail.validate_clusters.CopyFrom(envoy.BoolValue(value=False))
    tail.max_direct_response_body_size_bytes.CopyFrom(envoy.UInt32Value(value=1 << 20))
    body = b"".join((head, *(_frame(host) for host in kept), envoy.encode(tail)))
    uses = tuple(sorted({used for host in kept for used in host.uses}))
    return envoy.resource(ROUTE, name, body, uses)


def _without_repeats(hosts: Iterable[VirtualHost]) -> Iterable[VirtualHost]:
    """Give a domain that two virtual hosts claim to the first: Envoy refuses a configuration with both.

    A real name goes before another's short form: `a.b` is the service of that name, not `a` in namespace `b`.
    """
    hosts = list(hosts)
    taken = {host.domains[0].lower(): host.name for host in reversed(hosts)}
    for host in hosts:
        mine = [d for d in host.domains if taken.setdefault(d.lower(), host.name) == host.name]
        if len(mine) == len(host.domains):
            yield host
        elif mine:
            yield VirtualHost(host.name, tuple(mine), host.rest, host.uses)


def _frame(host: VirtualHost) -> bytes:
    named = envoy.encode(envoy.VirtualHost(name=host.name, domains=host.domains))
    return envoy.framed(_VIRTUAL_HOSTS_FIELD, named + host.rest)


OUTPUT = Output(ROUTE, configurations, build)
