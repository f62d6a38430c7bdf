"""Network filters: the HTTP connection manager, and TCP proxies to one cluster or to several by weight."""

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
DETECTED_HTTP = ("http/1.0", "http/1.1", "h2c")
"""What the HTTP inspector reports of plain text, which filter chains match as if it were ALPN."""

_OFFERED_TLS = envoy.StringMatcher(prefix="TLS/", ignore_case=True)
"""Upgrades that clients offer with plain requests: Apache HttpClient since 5.4 with each. A server may ignore the offer
(RFC 9110, section 7.8); Envoy answers 403 to what is not in `upgrade_configs`."""


def http(
    view: View, scope: Scope, routes: str | envoy.RouteConfiguration, stat_prefix: str, max_connection_ms: int = 0
) -> envoy.Filter:
    """Return an HTTP connection manager with the scope's HTTP filters.

    `routes` is the name of an RDS configuration, or the routes themselves. `max_connection_ms`: connections are closed
    at that age, between requests; 0 is never.
    """
    by_name, paths = isinstance(routes, str), view.memo(mesh).paths
    manager = envoy.HttpConnectionManager(
        stat_prefix=f"{stat_prefix};",
        rds=envoy.Rds(route_config_name=routes, config_source=ads()) if by_name else None,
        route_config=None if by_name else routes,
        http_filters=http_filters.chain(view, scope),
        access_log=access_logs(view.memo(mesh)),
        # Without it Envoy answers WebSocket upgrades with 403 (Istio).
        upgrade_configs=[envoy.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        # A client that asks waits for the server's 100, and may be refused by it before it sends a body. Without this
        # Envoy answers 100 itself and strips the Expect header (Istio).
        proxy_100_continue=True,
        http_protocol_options=envoy.Http1ProtocolOptions(ignore_http_11_upgrade=[_OFFERED_TLS]),
        normalize_path=envoy.BoolValue(value=paths is not PathForm.UNCHANGED),
        # Each of Istio's forms includes those before: BASE, MERGE_SLASHES, DECODE_AND_MERGE_SLASHES.
        merge_slashes=paths in {PathForm.MERGED, PathForm.DECODED},
        # A router is the edge: X-Forwarded-For starts there. A sidecar keeps what its workload sent.
        use_remote_address=envoy.BoolValue(value=scope.role == ROUTER),
        # 0 is no limit: Envoy's default would end streams that are idle for five minutes (Istio).
        stream_idle_timeout=envoy.duration(0),
    )
    if paths is PathForm.DECODED:
        manager.path_with_escaped_slashes_action = envoy.HttpConnectionManager.UNESCAPE_AND_FORWARD
    if scope.role == ROUTER:
        _set_edge_options(manager)
    if max_connection_ms:
        # No request is lost: HTTP/1.1 clients get `Connection: close` with an answer, HTTP/2 clients a GOAWAY before.
        manager.common_http_protocol_options.max_connection_duration.CopyFrom(envoy.duration(max_connection_ms))
        manager.http1_safe_max_connection_duration = True
    return envoy.Filter(name="envoy.filters.network.http_connection_manager", typed_config=envoy.packed(manager))


@cache
def remember_original_dst() -> envoy.Filter:
    """Return what stores the original destination address, for routes to match. Shared: copy it, never change it.

    See decision 0101.
    """
    address = envoy.SubstitutionFormatString(
        text_format_source=envoy.DataSource(inline_string="%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%")
    )
    value = envoy.FilterStateValue(object_key=ORIGINAL_DST, factory_key="envoy.string", format_string=address)
    body = envoy.SetFilterState(on_new_connection=[value])
    return envoy.Filter(name="envoy.filters.network.set_filter_state", typed_config=envoy.packed(body))


def tcp(view: View, client: ClientKey, cluster: ClusterName) -> envoy.Filter:
    """Return a TCP proxy to one cluster. The limits on connections are on this filter, not on the cluster (Istio)."""
    return _with_policy(view, client, cluster, envoy.TcpProxy(stat_prefix=f"{cluster};", cluster=str(cluster)))


def tcp_weighted(
    view: View, client: ClientKey, weights: Sequence[tuple[str, int]], stat_prefix: str, policy_of: ClusterName
) -> envoy.Filter:
    """Return a TCP proxy to clusters by weight; the policy of one limits the connections to all."""
    proxy = envoy.TcpProxy(stat_prefix=f"{stat_prefix};")
    for name, weight in weights:
        proxy.weighted_clusters.clusters.add(name=name, weight=weight)
    return _with_policy(view, client, policy_of, proxy)


def tcp_fixed(view: View, cluster: str, pool: ConnectionPool | None = None) -> envoy.Filter:
    """Return a TCP proxy to a cluster that has no policy; `pool` limits its connections."""
    proxy = envoy.TcpProxy(stat_prefix=f"{cluster};", cluster=cluster, access_log=access_logs(view.memo(mesh)))
    _limit(proxy, pool)
    return envoy.Filter(name=_TCP_PROXY, typed_config=envoy.packed(proxy))


def _with_policy(view: View, client: ClientKey, cluster: ClusterName, proxy: envoy.TcpProxy) -> envoy.Filter:
    proxy.access_log.extend(access_logs(view.memo(mesh)))
    _limit(proxy, cluster_policy(view, client, cluster).connection_pool)
    if balancing.hashes_source(view, client, cluster):
        proxy.hash_policy.add().source_ip.SetInParent()
    return envoy.Filter(name=_TCP_PROXY, typed_config=envoy.packed(proxy))


def _limit(proxy: envoy.TcpProxy, pool: ConnectionPool | None) -> None:
    if pool is not None and pool.tcp_idle_timeout_ms is not None:
        proxy.idle_timeout.CopyFrom(envoy.duration(pool.tcp_idle_timeout_ms))
    if pool is not None and pool.max_connection_duration_ms:
        proxy.max_downstream_connection_duration.CopyFrom(envoy.duration(pool.max_connection_duration_ms))


def _set_edge_options(manager: envoy.HttpConnectionManager) -> None:
    """Drop what clients claim about their certificates, and report the certificate that was verified (Istio)."""
    # The `server` header of answers, as at Istio's gateways.
    manager.server_name = "istio-envoy"
    manager.forward_client_cert_details = envoy.HttpConnectionManager.SANITIZE_SET
    details = manager.set_current_client_cert_details
    details.subject.value = details.cert = details.dns = details.uri = True


@cache
def ads() -> envoy.ConfigSource:
    """Return "from the aggregated stream". Shared: copy it, never change it.

    With a timeout of 0 Envoy waits as long as it takes. Its default of 15 s would let a listener open without routes.
    """
    return envoy.ConfigSource(
        ads=envoy.AggregatedConfigSource(),
        resource_api_version=envoy.ApiVersion.V3,
        initial_fetch_timeout=envoy.duration(0),
    )
