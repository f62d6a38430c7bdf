"""RouteConfigurations: one for each port that takes HTTP, and `http_proxy` for all of them.

A configuration is a join of virtual hosts that were encoded before, so a change costs one virtual host and a copy.
"""

from api.proxy import Scope
from api.resource import ROUTE, Resource
from api.view import View
from translators import envoy, names, visible
from translators.contract import Output
from translators.lookups import mesh
from translators.parts import virtual_hosts
from translators.parts.virtual_hosts import VirtualHost
from translators.tables import http_hosts

_LARGEST_DIRECT_RESPONSE = 1 << 20


def configurations(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the names: port numbers in decimal, and the HTTP proxy's (Istio)."""
    numbers = [n for n, _ in view.memo(visible.ports, scope.namespace) if view.memo(http_hosts, scope, n)]
    proxy = (names.HTTP_PROXY,) if view.memo(mesh).proxy_http_port else ()
    return (*(str(n) for n in numbers), *proxy)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one configuration."""
    if name == names.HTTP_PROXY:
        ports = [int(n) for n in view.memo(configurations, scope) if n != names.HTTP_PROXY]
        hosts = [host for port in ports for host in view.memo(virtual_hosts.for_proxy, scope, port)]
        return _configuration(view, name, hosts, ignore_port=False)
    return _configuration(view, name, list(view.memo(virtual_hosts.on_port, scope, int(name))), ignore_port=True)


def _configuration(view: View, name: str, hosts: list[VirtualHost], *, ignore_port: bool) -> Resource:
    kept = [*_without_repeats(hosts), view.memo(virtual_hosts.catch_all)]
    head = envoy.encode(envoy.RouteConfiguration(name=name))
    tail = envoy.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    tail.validate_clusters.CopyFrom(envoy.BoolValue(value=False))
    tail.max_direct_response_body_size_bytes.CopyFrom(envoy.UInt32Value(value=_LARGEST_DIRECT_RESPONSE))
    return envoy.resource(ROUTE, name, b"".join((head, *(host.frame for host in kept), envoy.encode(tail))))


def _without_repeats(hosts: list[VirtualHost]) -> list[VirtualHost]:
    """Give a domain that two virtual hosts claim to the first: Envoy refuses a configuration with both.

    A real name goes before another's short form: `a.b` is the service of that name, not `a` in namespace `b`.
    """
    if len(set().union(*(host.domains for host in hosts))) == sum(len(host.domains) for host in hosts):
        return hosts
    taken = {domain: host.name for host in reversed(hosts) for domain in _own(host)}
    kept = []
    for host in hosts:
        mine = tuple(d for d in host.domains if taken.setdefault(d, host.name) == host.name)
        if len(mine) == len(host.domains):
            kept.append(host)
        elif mine:
            kept.append(virtual_hosts.virtual_host(host.name, mine, host.rest))
    return kept


def _own(host: VirtualHost) -> tuple[str, ...]:
    """Return the forms of a virtual host's real name, which is its name without the port."""
    name, _, port = host.name.rpartition(":")
    forms = {name, f"{name}.", f"{name}:{port}", f"{name}.:{port}"}
    return tuple(domain for domain in host.domains if domain in forms)


OUTPUT = Output(ROUTE, configurations, build)
