"""ConnectionPool and OutlierDetection -> a cluster's limits, timeouts, and how HTTP is spoken to it."""

from mirrorplane.api.cluster_policy import ClusterPolicy, ConnectionPool, Keepalive, OutlierDetection
from mirrorplane.api.mesh import Protocol
from mirrorplane.api.settings import MeshSettings
from mirrorplane.translators import envoy

_NO_LIMIT = (1 << 32) - 1
_SURELY = 100


def unlimited(body: envoy.Cluster) -> None:
    """Take Envoy's own limits off a cluster that no policy is about (Istio): 1,024 connections, or requests."""
    _most(body, ConnectionPool())


def limit(body: envoy.Cluster, said: ClusterPolicy, settings: MeshSettings) -> None:
    """Put limits and timeouts on a cluster; what is not said is unlimited (Istio), and connects as the mesh does."""
    pool = said.connection_pool or ConnectionPool()
    body.connect_timeout.CopyFrom(envoy.duration(pool.connect_timeout_ms or settings.connect_timeout_ms))
    most = _most(body, pool)
    if said.retry_budget is not None:
        most.retry_budget.budget_percent.value = said.retry_budget.percent
        most.retry_budget.min_retry_concurrency.value = said.retry_budget.min_concurrency
    keepalive = settings.keepalive if pool.keepalive is None else pool.keepalive
    if keepalive is not None:
        body.upstream_connection_options.tcp_keepalive.SetInParent()
        _keep_alive(body, keepalive)
    # Unready endpoints are sent as unhealthy, so Envoy must not fall back to them when all are (Istio).
    healthy = said.outlier_detection.min_health_percent if said.outlier_detection else 0
    body.common_lb_config.healthy_panic_threshold.value = healthy
    if said.outlier_detection is not None:
        body.outlier_detection.CopyFrom(_outliers(said.outlier_detection))


def _most(body: envoy.Cluster, pool: ConnectionPool) -> "envoy.CircuitBreakers.Thresholds":
    most = body.circuit_breakers.thresholds.add()
    most.max_connections.value = pool.max_connections or _NO_LIMIT
    most.max_pending_requests.value = pool.max_pending_requests or _NO_LIMIT
    most.max_requests.value = pool.max_requests or _NO_LIMIT
    most.max_retries.value = pool.max_retries or _NO_LIMIT
    return most


def http(protocol: Protocol, said: ConnectionPool | None, *, upgrade: bool) -> envoy.UpstreamHttp:
    """Return how HTTP is spoken: as the rule or the port says, or as the client does where nobody does.

    `upgrade`: HTTP/2 is spoken to ports that say HTTP, unless the rule says no (Istio: h2UpgradePolicy).
    """
    pool = said or ConnectionPool()
    http2_wanted = upgrade and protocol is Protocol.HTTP if pool.http2 is None else pool.http2
    body = envoy.UpstreamHttp()
    if pool.use_client_protocol or (protocol is Protocol.AUTO and not http2_wanted):
        body.use_downstream_protocol_config.http_protocol_options.SetInParent()
        http2 = body.use_downstream_protocol_config.http2_protocol_options
        http2.SetInParent()
    elif http2_wanted or protocol is Protocol.HTTP2:
        http2 = body.explicit_http_config.http2_protocol_options
        http2.SetInParent()
    else:
        http2 = None
        body.explicit_http_config.http_protocol_options.SetInParent()
    if http2 is not None and pool.max_concurrent_streams:
        http2.max_concurrent_streams.value = pool.max_concurrent_streams
    _common(body, pool)
    return body


def _common(body: envoy.UpstreamHttp, pool: ConnectionPool) -> None:
    if pool.http_idle_timeout_ms is not None:
        body.common_http_protocol_options.idle_timeout.CopyFrom(envoy.duration(pool.http_idle_timeout_ms))
    if pool.max_connection_duration_ms:
        body.common_http_protocol_options.max_connection_duration.CopyFrom(
            envoy.duration(pool.max_connection_duration_ms)
        )
    if pool.max_requests_per_connection:
        body.common_http_protocol_options.max_requests_per_connection.value = pool.max_requests_per_connection


def _keep_alive(body: envoy.Cluster, said: Keepalive) -> None:
    probes = body.upstream_connection_options.tcp_keepalive
    for field, value in (
        (probes.keepalive_probes, said.probes),
        (probes.keepalive_time, said.time_s),
        (probes.keepalive_interval, said.interval_s),
    ):
        if value:
            field.value = value


def _outliers(said: OutlierDetection) -> envoy.OutlierDetection:
    """Return when endpoints are left alone. Success rates are never looked at, and 0 in a row turns a test off (Istio).

    Envoy acts on gateway errors only when it is told to.
    """
    body = envoy.OutlierDetection()
    body.enforcing_success_rate.value = 0
    if said.consecutive_5xx is not None:
        body.consecutive_5xx.value = said.consecutive_5xx
        body.enforcing_consecutive_5xx.value = _SURELY if said.consecutive_5xx else 0
    if said.consecutive_gateway_errors is not None:
        body.consecutive_gateway_failure.value = said.consecutive_gateway_errors
        body.enforcing_consecutive_gateway_failure.value = _SURELY if said.consecutive_gateway_errors else 0
    if said.split_local_origin_errors:
        body.split_external_local_origin_errors = True
        body.enforcing_local_origin_success_rate.value = 0
        if said.consecutive_local_origin_failures is not None:
            body.consecutive_local_origin_failure.value = said.consecutive_local_origin_failures
            body.enforcing_consecutive_local_origin_failure.value = (
                _SURELY if said.consecutive_local_origin_failures else 0
            )
    if said.interval_ms:
        body.interval.CopyFrom(envoy.duration(said.interval_ms))
    if said.base_ejection_ms:
        body.base_ejection_time.CopyFrom(envoy.duration(said.base_ejection_ms))
    if said.max_ejection_percent:
        body.max_ejection_percent.value = said.max_ejection_percent
    return body
