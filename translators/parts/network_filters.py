"""Filter chains: HTTP with routes by name, TCP to one cluster."""

from collections.abc import Sequence
from functools import cache

from mirrorplane.api.cluster_policy import ConnectionPool
from mirrorplane.api.proxy import ROUTER, ClientKey, Scope
from mirrorplane.api.settings import PathForm
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups.policies import cluster_policy
from mirrorplane.translators.names import ORIGINAL_DST, ClusterName
from mirrorplane.translators.parts import balancing, http_filters
from mirrorplane.translators.parts.access_log import access_logs
from mirrorplane.translators.settings import mesh

_TCP_PROXY = "envoy.filters.network.tcp_proxy"
HTTP_ALPN = ("http/1.0", "http/1.1", "h2c")


def http(
    view: View, scope: Scope, routes: str | envoy.RouteConfiguration, stat_prefix: str, longest_ms: int = 0
) -> envoy.Filter:
    """Return an HTTP connection manager with every filter that has a say, in slot order.

    Its routes come by name, or are there. `longest_ms`: so old a connection is ended, between requests.
    """
    named, paths = isinstance(routes, str), view.memo(mesh).paths
    manager = envoy.HttpConnectionManager(
        stat_prefix=f"{stat_prefix};",
        rds=envoy.Rds(route_config_name=routes, config_source=ads()) if named else None,
        route_config=None if named else routes,
        http_filters=http_filters.chain(view, scope),
        access_log=access_logs(view.memo(mesh)),
        upgrade_configs=[envoy.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        normalize_path=envoy.BoolValue(value=paths is not PathForm.AS_SAID),
        merge_slashes=paths in {PathForm.MERGED, PathForm.DECODED},
        use_remote_address=envoy.BoolValue(value=scope.role == ROUTER),
        stream_idle_timeout=envoy.duration(0),
    )
    if paths is PathForm.DECODED:
        manager.path_with_escaped_slashes_action = envoy.HttpConnectionManager.UNESCAPE_AND_FORWARD
    if scope.role == ROUTER:
        _face_outside(manager)
    if longest_ms:  # no request is lost by it: HTTP/1.1 clients are told with an answer, HTTP/2 ones beforehand
        manager.common_http_protocol_options.max_connection_duration.CopyFrom(envoy.duration(longest_ms))
        manager.http1_safe_max_connection_duration = True
    return envoy.Filter(name="envoy.filters.network.http_connection_manager", typed_config=envoy.packed(manager))


@cache
def tells_dialled() -> envoy.Filter:
    """Return what remembers the address that the client dialled, for routes to ask. To be copied, never changed."""
    said = envoy.SubstitutionFormatString(
        text_format_source=envoy.DataSource(inline_string="%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%")
    )
    kept = envoy.FilterStateValue(object_key=ORIGINAL_DST, factory_key="envoy.string", format_string=said)
    body = envoy.SetFilterState(on_new_connection=[kept])
    return envoy.Filter(name="envoy.filters.network.set_filter_state", typed_config=envoy.packed(body))


def tcp(view: View, client: ClientKey, to: ClusterName) -> envoy.Filter:
    """Return a TCP proxy to one cluster. How long a connection may live and be idle is the proxy's to say (Istio)."""
    return _tcp(view, client, to, envoy.TcpProxy(stat_prefix=f"{to};", cluster=str(to)))


def tcp_shared(
    view: View, client: ClientKey, to: Sequence[tuple[str, int]], stat_prefix: str, first: ClusterName
) -> envoy.Filter:
    """Return a TCP proxy to clusters by weight; what the policy of the first says of connections holds for all."""
    proxy = envoy.TcpProxy(stat_prefix=f"{stat_prefix};")
    for name, weight in to:
        proxy.weighted_clusters.clusters.add(name=name, weight=weight)
    return _tcp(view, client, first, proxy)


def straight(view: View, cluster: str, pool: ConnectionPool | None = None) -> envoy.Filter:
    """Return a TCP proxy to a cluster that no policy is about; a pool says how long a connection may live."""
    proxy = envoy.TcpProxy(stat_prefix=f"{cluster};", cluster=cluster, access_log=access_logs(view.memo(mesh)))
    _limit(proxy, pool)
    return envoy.Filter(name=_TCP_PROXY, typed_config=envoy.packed(proxy))


def _tcp(view: View, client: ClientKey, to: ClusterName, proxy: envoy.TcpProxy) -> envoy.Filter:
    proxy.access_log.extend(access_logs(view.memo(mesh)))
    _limit(proxy, cluster_policy(view, client, to).connection_pool)
    if balancing.hashes_source(view, client, to):
        proxy.hash_policy.add().source_ip.SetInParent()
    return envoy.Filter(name=_TCP_PROXY, typed_config=envoy.packed(proxy))


def _limit(proxy: envoy.TcpProxy, pool: ConnectionPool | None) -> None:
    if pool is not None and pool.tcp_idle_timeout_ms is not None:
        proxy.idle_timeout.CopyFrom(envoy.duration(pool.tcp_idle_timeout_ms))
    if pool is not None and pool.max_connection_duration_ms:
        proxy.max_downstream_connection_duration.CopyFrom(envoy.duration(pool.max_connection_duration_ms))


def _face_outside(manager: envoy.HttpConnectionManager) -> None:
    """Take nobody's word for who the client is; say of its certificate what was seen (Istio)."""
    manager.server_name = "istio-envoy"
    manager.forward_client_cert_details = envoy.HttpConnectionManager.SANITIZE_SET
    said = manager.set_current_client_cert_details
    said.subject.value = said.cert = said.dns = said.uri = True


@cache
def ads() -> envoy.ConfigSource:
    """Return "from the aggregated stream, and wait for it". To be copied, never changed."""
    return envoy.ConfigSource(
        ads=envoy.AggregatedConfigSource(),
        resource_api_version=envoy.ApiVersion.V3,
        initial_fetch_timeout=envoy.duration(0),
    )
