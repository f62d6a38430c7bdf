"""ConnectionPool and OutlierDetection -> a cluster's limits and timeouts, and its HTTP version."""

from collections.abc import Collection

from mirrorplane.api.cluster_policy import ClusterPolicy, ConnectionPool, Keepalive, OutlierDetection, RetryBudget
from mirrorplane.api.mesh import Protocol
from mirrorplane.api.settings import MeshSettings
from mirrorplane.translators import envoy
from mirrorplane.translators.port_protocols import requires_http2

# As Istio writes it: unset would be Envoy's default of 1,024 (3 for retries).
_UNLIMITED = (1 << 32) - 1
_ENFORCED = 100
_BUDGET_INTERVAL = 3
"""The number of RetryBudget.budget_interval, which Envoy has since 1.39 and xds-protos 1.85 has not."""


def unlimited(body: envoy.Cluster) -> None:
    """Replace Envoy's default limits (1,024 connections, requests) on a cluster without a policy, as Istio does."""
    _thresholds(body, ConnectionPool())


def limit(body: envoy.Cluster, policy: ClusterPolicy, settings: MeshSettings) -> None:
    """Set limits and timeouts. What the policy leaves out is unlimited (Istio); the mesh sets the connect timeout."""
    pool = policy.connection_pool or ConnectionPool()
    body.connect_timeout.CopyFrom(envoy.duration(pool.connect_timeout_ms or settings.connect_timeout_ms))
    thresholds = _thresholds(body, pool)
    if policy.retry_budget is not None:
        _set_budget(thresholds, policy.retry_budget)
    keepalive = settings.keepalive if pool.keepalive is None else pool.keepalive
    if keepalive is not None:
        body.upstream_connection_options.tcp_keepalive.SetInParent()
        _keep_alive(body, keepalive)
    # Unready endpoints are sent as unhealthy, so Envoy must not fall back to them when all are (Istio).
    healthy = policy.outlier_detection.min_health_percent if policy.outlier_detection else 0
    body.common_lb_config.healthy_panic_threshold.value = healthy
    if policy.outlier_detection is not None:
        body.outlier_detection.CopyFrom(_outlier_detection(policy.outlier_detection))


def _thresholds(body: envoy.Cluster, pool: ConnectionPool) -> "envoy.CircuitBreakers.Thresholds":
    thresholds = body.circuit_breakers.thresholds.add()
    thresholds.max_connections.value = pool.max_connections or _UNLIMITED
    thresholds.max_pending_requests.value = pool.max_pending_requests or _UNLIMITED
    # Istio calls it http2MaxRequests, but Envoy limits the active requests of HTTP/1.1 by it too.
    thresholds.max_requests.value = pool.max_requests or _UNLIMITED
    thresholds.max_retries.value = pool.max_retries or _UNLIMITED
    return thresholds


def _set_budget(thresholds: "envoy.CircuitBreakers.Thresholds", budget: RetryBudget) -> None:
    # Envoy ignores `max_retries` beside a budget.
    thresholds.retry_budget.budget_percent.value = budget.percent
    thresholds.retry_budget.min_retry_concurrency.value = budget.min_concurrency
    if budget.interval_ms:
        interval = envoy.encode(envoy.duration(budget.interval_ms))
        thresholds.retry_budget.MergeFromString(envoy.encode_field(_BUDGET_INTERVAL, interval))


def count_errors(body: envoy.UpstreamHttp, statuses: Collection[int]) -> None:
    """Let outlier detection count answers with these statuses as errors, and no others."""
    if not statuses:
        return
    matcher = body.outlier_detection.error_matcher
    # A set of rules has at least two (Envoy validates it); one status needs none.
    single = len(statuses) == 1
    for status in statuses:
        rule = matcher if single else matcher.or_match.rules.add()
        rule.http_response_headers_match.headers.add(
            name=":status", string_match=envoy.StringMatcher(exact=str(status))
        )


def http(
    protocol: Protocol, rule: ConnectionPool | None, *, upgrade: bool = False, follow_client: bool = True
) -> envoy.UpstreamHttp:
    """Return the HTTP version to speak: the rule's, else the port's, else the client's or HTTP/1.1.

    `upgrade`: HTTP/2 for ports that are HTTP, unless the rule forbids it (Istio: h2UpgradePolicy). `follow_client`:
    speak the client's version to an undeclared port. Right at sidecars, where the client dialled the workload; a
    router's client negotiated its version with the router alone (Istio: setUpstreamProtocol).
    """
    pool, body = rule or ConnectionPool(), envoy.UpstreamHttp()
    if requires_http2(protocol, rule, upgrade=upgrade):
        http2 = body.explicit_http_config.http2_protocol_options
    elif pool.use_client_protocol or (protocol is Protocol.AUTO and follow_client):
        body.use_downstream_protocol_config.http_protocol_options.SetInParent()
        http2 = body.use_downstream_protocol_config.http2_protocol_options
    else:
        http2 = None
        body.explicit_http_config.http_protocol_options.SetInParent()
    if http2 is not None:
        http2.SetInParent()
    if http2 is not None and pool.max_concurrent_streams:
        http2.max_concurrent_streams.value = pool.max_concurrent_streams
    if http2 is not None and pool.http2_keepalive is not None:
        http2.connection_keepalive.interval.CopyFrom(envoy.duration(pool.http2_keepalive.interval_ms))
        http2.connection_keepalive.timeout.CopyFrom(envoy.duration(pool.http2_keepalive.timeout_ms))
    _limit_connections(body, pool)
    return body


def _limit_connections(body: envoy.UpstreamHttp, pool: ConnectionPool) -> None:
    if pool.http_idle_timeout_ms is not None:
        body.common_http_protocol_options.idle_timeout.CopyFrom(envoy.duration(pool.http_idle_timeout_ms))
    if pool.max_connection_duration_ms:
        body.common_http_protocol_options.max_connection_duration.CopyFrom(
            envoy.duration(pool.max_connection_duration_ms)
        )
    if pool.max_requests_per_connection:
        body.common_http_protocol_options.max_requests_per_connection.value = pool.max_requests_per_connection


def _keep_alive(body: envoy.Cluster, keepalive: Keepalive) -> None:
    probes = body.upstream_connection_options.tcp_keepalive
    for field, value in (
        (probes.keepalive_probes, keepalive.probes),
        (probes.keepalive_time, keepalive.time_s),
        (probes.keepalive_interval, keepalive.interval_s),
    ):
        if value:
            field.value = value


def _outlier_detection(detection: OutlierDetection) -> envoy.OutlierDetection:
    """Return when endpoints are ejected. Success rates are never evaluated, and 0 failures turn a test off (Istio)."""
    body = envoy.OutlierDetection()
    body.enforcing_success_rate.value = 0
    if detection.consecutive_5xx is not None:
        body.consecutive_5xx.value = detection.consecutive_5xx
        body.enforcing_consecutive_5xx.value = _ENFORCED if detection.consecutive_5xx else 0
    if detection.consecutive_gateway_errors is not None:
        body.consecutive_gateway_failure.value = detection.consecutive_gateway_errors
        # Envoy counts gateway failures by default, but ejects for them only where this is set.
        body.enforcing_consecutive_gateway_failure.value = _ENFORCED if detection.consecutive_gateway_errors else 0
    if detection.split_local_origin_errors:
        body.split_external_local_origin_errors = True
        body.enforcing_local_origin_success_rate.value = 0
        if detection.consecutive_local_origin_failures is not None:
            body.consecutive_local_origin_failure.value = detection.consecutive_local_origin_failures
            body.enforcing_consecutive_local_origin_failure.value = (
                _ENFORCED if detection.consecutive_local_origin_failures else 0
            )
    if detection.interval_ms:
        body.interval.CopyFrom(envoy.duration(detection.interval_ms))
    if detection.base_ejection_ms:
        body.base_ejection_time.CopyFrom(envoy.duration(detection.base_ejection_ms))
    # 0 counts as unset (Istio): then Envoy's default of 10 % applies.
    if detection.max_ejection_percent:
        body.max_ejection_percent.value = detection.max_ejection_percent
    return body
