"""The two ports of a sidecar that the platform asks, and only those: is it ready (15021), how is it doing (15090).

Separate because they are only there where a sidecar has an address of its own: with interception. Both lead to one page
of the admin interface, which itself is for nobody outside.
"""

from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import Address, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy_data_plane.google.protobuf import Any as PackedAny

ADMIN_PORT = 15000
"""Where the admin interface of such a sidecar is, unless somebody says otherwise (Istio)."""

_ADMIN = "admin"
_PAGES = {15021: ("/healthz/ready", "/ready"), 15090: ("/stats/prometheus", "/stats/prometheus")}
_ANYWHERE = "0.0.0.0"  # noqa: S104 - the platform asks from outside
_LOOPBACK = "127.0.0.1"


def listeners() -> list[Listener]:
    """Return the listeners (Istio's ports and paths)."""
    return [_listener(port, *pages) for port, pages in _PAGES.items()]


def admin_cluster(port: int) -> Cluster:
    """Return the cluster behind them: the admin interface."""
    endpoint = LbEndpoint(endpoint=Endpoint(address=_address(_LOOPBACK, port)))
    return Cluster(
        name=_ADMIN,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=_ADMIN, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
    )


def _listener(port: int, path: str, page: str) -> Listener:
    route = Route(match=RouteMatch(path=path), route=RouteAction(cluster=_ADMIN, prefix_rewrite=page))
    manager = HttpConnectionManager(
        stat_prefix=f"health_{port}",
        route_config=RouteConfiguration(virtual_hosts=[VirtualHost(name=_ADMIN, domains=["*"], routes=[route])]),
        http_filters=[HttpFilter(name="envoy.filters.http.router", typed_config=PackedAny.pack(Router()))],
    )
    connections = Filter(name="envoy.filters.network.http_connection_manager", typed_config=PackedAny.pack(manager))
    chain = FilterChain(filters=[connections])
    return Listener(name=f"health_{port}", address=_address(_ANYWHERE, port), filter_chains=[chain])


def _address(host: str, port: int) -> Address:
    return Address(socket_address=SocketAddress(address=host, port_value=port))
