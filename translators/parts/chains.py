"""Filter chains: HTTP with routes by name, TCP to one cluster."""

from functools import cache

from api.proxy import Caller, Scope
from api.settings import PathForm
from api.view import View
from translators import envoy
from translators.lookups import manner
from translators.names import ClusterName
from translators.parts import balancing, filters
from translators.parts.accesslog import access_logs
from translators.settings import mesh

HTTP_ALPN = ("http/1.0", "http/1.1", "h2c")


def http(view: View, scope: Scope, routes: str, stat_prefix: str) -> envoy.Filter:
    """Return an HTTP connection manager whose routes come by name, with every filter that has a say, in slot order."""
    paths = view.memo(mesh).paths
    manager = envoy.HttpConnectionManager(
        stat_prefix=f"{stat_prefix};",
        rds=envoy.Rds(route_config_name=routes, config_source=ads()),
        http_filters=filters.chain(view, scope),
        access_log=access_logs(view.memo(mesh)),
        upgrade_configs=[envoy.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        normalize_path=envoy.BoolValue(value=paths is not PathForm.AS_SAID),
        merge_slashes=paths in {PathForm.MERGED, PathForm.DECODED},
        use_remote_address=envoy.BoolValue(value=False),
        stream_idle_timeout=envoy.duration(0),
    )
    if paths is PathForm.DECODED:
        manager.path_with_escaped_slashes_action = envoy.HttpConnectionManager.UNESCAPE_AND_FORWARD
    return envoy.Filter(name="envoy.filters.network.http_connection_manager", typed_config=envoy.packed(manager))


def tcp(view: View, caller: Caller, to: ClusterName) -> envoy.Filter:
    """Return a TCP proxy to one cluster. How long a connection may live and be idle is the proxy's to say (Istio)."""
    proxy = envoy.TcpProxy(stat_prefix=f"{to};", cluster=str(to), access_log=access_logs(view.memo(mesh)))
    pool = manner(view, caller, to).pool
    if pool is not None and pool.tcp_idle_ms is not None:
        proxy.idle_timeout.CopyFrom(envoy.duration(pool.tcp_idle_ms))
    if pool is not None and pool.duration_ms:
        proxy.max_downstream_connection_duration.CopyFrom(envoy.duration(pool.duration_ms))
    if balancing.hashes_source(view, caller, to):
        proxy.hash_policy.add().source_ip.SetInParent()
    return envoy.Filter(name="envoy.filters.network.tcp_proxy", typed_config=envoy.packed(proxy))


@cache
def ads() -> envoy.ConfigSource:
    """Return "from the aggregated stream, and wait for it". To be copied, never changed."""
    return envoy.ConfigSource(
        ads=envoy.AggregatedConfigSource(),
        resource_api_version=envoy.ApiVersion.V3,
        initial_fetch_timeout=envoy.duration(0),
    )
