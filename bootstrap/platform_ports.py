"""The two ports of a sidecar that the platform calls: readiness (15021) and metrics (15090), as Istio's sidecars have.

Separate because only a sidecar with an address of its own has them: with interception. Each port leads to one page of
the admin interface, which itself stays on loopback.
"""

from mirrorplane.bootstrap.fragments import LOOPBACK, Json, packed, single_endpoint, socket_address

ADMIN_PORT = 15000
"""The admin interface's default port with interception (Istio's)."""

_ADMIN_CLUSTER = "admin"
_PAGES = {15021: ("/healthz/ready", "/ready"), 15090: ("/stats/prometheus", "/stats/prometheus")}
"""The path the platform requests, and the admin interface's page, by port."""
_ANYWHERE = "0.0.0.0"  # noqa: S104 - the platform connects from outside


def listeners() -> list[Json]:
    """Return a listener for each port."""
    return [_listener(port, path, page) for port, (path, page) in _PAGES.items()]


def admin_cluster(port: int) -> Json:
    """Return the cluster behind the listeners: the admin interface."""
    return {
        "name": _ADMIN_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": single_endpoint(_ADMIN_CLUSTER, LOOPBACK, port),
    }


def _listener(port: int, path: str, page: str) -> Json:
    route = {"match": {"path": path}, "route": {"cluster": _ADMIN_CLUSTER, "prefix_rewrite": page}}
    router = packed("envoy.extensions.filters.http.router.v3.Router")
    manager = packed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=f"health_{port}",
        route_config={"virtual_hosts": [{"name": _ADMIN_CLUSTER, "domains": ["*"], "routes": [route]}]},
        http_filters=[{"name": "envoy.filters.http.router", "typed_config": router}],
    )
    network_filter = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    address = socket_address(_ANYWHERE, port)
    return {"name": f"health_{port}", "address": address, "filter_chains": [{"filters": [network_filter]}]}
