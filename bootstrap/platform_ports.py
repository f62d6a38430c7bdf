"""The ports of a proxy that the platform calls: readiness (15021) and metrics (15090), as Istio's proxies have.

Separate because they are the only listeners that are not the control plane's: they must answer while it is away. Each
leads to one page of the admin interface, which itself stays on loopback.
"""

from ipaddress import ip_address

import msgspec

from mirrorplane.api.proxy import REDIRECT, Proxy
from mirrorplane.bootstrap.fragments import LOOPBACK, Json, packed, single_endpoint, socket_address

ADMIN_PORT = 15000
"""The admin interface's port at Istio's proxies."""

_ADMIN_CLUSTER = "admin"
_ANYWHERE = "0.0.0.0"  # noqa: S104 - the platform connects from outside


class PlatformPorts(msgspec.Struct, frozen=True):
    """TCP ports of a proxy: of its admin interface, and for the platform. A platform port of 0 is not opened.

    An admin port of 0 is any free one, but 15000 with interception, whose rules leave that port alone, and where a
    platform port leads to it.
    """

    admin: int = 0
    health: int = 0
    stats: int = 0


ISTIO_PORTS = PlatformPorts(ADMIN_PORT, 15021, 15090)
NO_PLATFORM_PORTS = PlatformPorts()


class PlatformPortsError(ValueError):
    """Ports of a proxy that are the same. The message names them."""


def platform_ports(proxy: Proxy, ports: PlatformPorts) -> PlatformPorts:
    """Return the ports that a proxy opens. Raises PlatformPortsError when two are the same."""
    if proxy.interception == REDIRECT or ports.health or ports.stats:
        ports = PlatformPorts(ports.admin or ADMIN_PORT, ports.health, ports.stats)
    opened = [port for port in msgspec.structs.astuple(ports) if port]
    if len(opened) != len(set(opened)):
        numbers = f"admin port {ports.admin}, health port {ports.health}, stats port {ports.stats}"
        raise PlatformPortsError(f"{numbers}: two are the same, and Envoy could not open both; use different ports")
    return ports


def admin_address(proxy: Proxy) -> str:
    """Return where the admin interface listens: the proxy's own loopback address if it has one, else 127.0.0.1.

    Proxies that share a machine have loopback addresses of their own, and so may use the same ports.
    """
    return _loopback_or(LOOPBACK, proxy)


def listeners(proxy: Proxy, ports: PlatformPorts) -> list[Json]:
    """Return a listener for each platform port: on the proxy's address if it is a loopback one, else on all."""
    address = _loopback_or(_ANYWHERE, proxy)
    pages = (ports.health, "/healthz/ready", "/ready"), (ports.stats, "/stats/prometheus", "/stats/prometheus")
    return [_listener(address, port, path, page) for port, path, page in pages if port]


def admin_cluster(proxy: Proxy, port: int) -> Json:
    """Return the cluster behind the listeners: the admin interface."""
    return {
        "name": _ADMIN_CLUSTER,
        "alt_stat_name": f"{_ADMIN_CLUSTER};",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": single_endpoint(_ADMIN_CLUSTER, admin_address(proxy), port),
    }


def _loopback_or(address: str, proxy: Proxy) -> str:
    """Return the proxy's own address if it is a loopback one, else the given one."""
    return proxy.ip if ip_address(proxy.ip).is_loopback else address


def _listener(address: str, port: int, path: str, page: str) -> Json:
    route = {"match": {"path": path}, "route": {"cluster": _ADMIN_CLUSTER, "prefix_rewrite": page}}
    router = packed("envoy.extensions.filters.http.router.v3.Router")
    manager = packed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=f"platform_{port};",
        route_config={"virtual_hosts": [{"name": _ADMIN_CLUSTER, "domains": ["*"], "routes": [route]}]},
        http_filters=[{"name": "envoy.filters.http.router", "typed_config": router}],
    )
    network_filter = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    chain = {"filters": [network_filter]}
    return {"name": f"platform_{port}", "address": socket_address(address, port), "filter_chains": [chain]}
