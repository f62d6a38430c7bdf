"""ConnectionPoolSettings -> ConnectionPool, OutlierDetection -> OutlierDetection, RetryBudget -> RetryBudget."""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import ConnectionPool, Http2Keepalive, Keepalive, OutlierDetection, RetryBudget
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.left_out import left_out
from mirrorplane.translators.istio.scalars import duration_findings, number_findings, optional_ms

_POLICIES = ("", "DEFAULT", "UPGRADE", "DO_NOT_UPGRADE")
_UPGRADES = {"UPGRADE": True, "DO_NOT_UPGRADE": False}
_PERCENT = range(101)
_HUNDRED = 100.0
_STATUSES = range(100, 600)


def pool_of(spec: istio.ConnectionPool | None) -> ConnectionPool | None:
    """Return the limits of connections and requests, and the HTTP version."""
    if spec is None:
        return None
    tcp, http = spec.tcp or istio.TCPSettings(), spec.http or istio.HTTPSettings()
    return ConnectionPool(
        max_connections=tcp.max_connections,
        max_pending_requests=http.http1_max_pending_requests,
        max_requests=http.http2_max_requests,
        max_retries=http.max_retries,
        max_requests_per_connection=http.max_requests_per_connection,
        max_concurrent_streams=http.max_concurrent_streams,
        connect_timeout_ms=optional_ms(tcp.connect_timeout),
        max_connection_duration_ms=optional_ms(tcp.max_connection_duration),
        tcp_idle_timeout_ms=_idle(tcp.idle_timeout),
        # Istio: tcp.idleTimeout counts for HTTP too, where http has none.
        http_idle_timeout_ms=_idle(tcp.idle_timeout if http.idle_timeout is None else http.idle_timeout),
        keepalive=keepalive_of(tcp.tcp_keepalive),
        http2=_UPGRADES.get(http.h2_upgrade_policy),
        use_client_protocol=http.use_client_protocol,
        http2_keepalive=_http2_keepalive(http.http2_keep_alive),
    )


def outlier_detection_of(spec: istio.OutlierDetection | None) -> OutlierDetection | None:
    """Return when an endpoint is ejected."""
    if spec is None:
        return None
    return OutlierDetection(
        consecutive_5xx=spec.consecutive_5xx_errors,
        consecutive_gateway_errors=spec.consecutive_gateway_errors,
        consecutive_local_origin_failures=spec.consecutive_local_origin_failures,
        split_local_origin_errors=spec.split_external_local_origin_errors,
        interval_ms=optional_ms(spec.interval),
        base_ejection_ms=optional_ms(spec.base_ejection_time),
        max_ejection_percent=spec.max_ejection_percent,
        min_health_percent=spec.min_health_percent,
        error_statuses=tuple(sorted(set(spec.outlier_detection_http_error_codes))),
    )


def retry_budget_of(spec: istio.RetryBudget | None) -> RetryBudget | None:
    """Return how many retries may be in flight."""
    if spec is None:
        return None
    defaults = RetryBudget()
    return RetryBudget(
        defaults.percent if spec.percent is None else spec.percent,
        spec.min_retry_concurrency or defaults.min_concurrency,
        optional_ms(spec.budget_interval),
    )


def keepalive_findings(about: Ref, path: str, spec: istio.TcpKeepalive | None) -> Iterator[Finding]:
    """Refuse invalid numbers and durations."""
    if spec is not None:
        yield from number_findings(about, path, {"probes": spec.probes})
        yield from duration_findings(about, path, {"time": spec.time, "interval": spec.interval})


def pool_findings(about: Ref, path: str, spec: istio.ConnectionPool | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if spec is None:
        return
    if spec.tcp is None and spec.http is None:
        yield Finding(about, "EmptyPolicy", "connection pool must have at least one field", path)
    if spec.tcp is not None:
        yield from _tcp_findings(about, f"{path}.tcp", spec.tcp)
    if spec.http is not None:
        yield from _http_findings(about, f"{path}.http", spec.http)


def outlier_detection_findings(about: Ref, path: str, spec: istio.OutlierDetection | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, with its warnings."""
    if spec is None:
        return
    if spec.consecutive_errors:
        message = "outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or "
        message += "consecutive5xxErrors instead: it has no effect"
        yield Finding(about, "Deprecated", message, f"{path}.consecutiveErrors", Severity.WARNING)
    if spec.consecutive_local_origin_failures and not spec.split_external_local_origin_errors:
        message = (
            "outlier detection consecutive local origin failures is specified, "
            "but split external local origin errors is set to false"
        )
        yield Finding(about, "InvalidOutlierDetection", message, f"{path}.consecutiveLocalOriginFailures")
    numbers = {
        "consecutive5xxErrors": spec.consecutive_5xx_errors,
        "consecutiveGatewayErrors": spec.consecutive_gateway_errors,
        "consecutiveLocalOriginFailures": spec.consecutive_local_origin_failures,
    }
    yield from number_findings(about, path, numbers)
    shares = {"maxEjectionPercent": spec.max_ejection_percent, "minHealthPercent": spec.min_health_percent}
    yield from number_findings(about, path, shares, _PERCENT)
    yield from duration_findings(about, path, {"interval": spec.interval, "baseEjectionTime": spec.base_ejection_time})
    codes = {f"outlierDetectionHttpErrorCodes[{i}]": n for i, n in enumerate(spec.outlier_detection_http_error_codes)}
    yield from number_findings(about, path, codes, _STATUSES)
    yield from left_out(
        about,
        path,
        {
            "failurePercentageThreshold": (
                spec.failure_percentage_threshold,
                "endpoints are ejected for failures in a row only",
            )
        },
    )


def retry_budget_findings(about: Ref, path: str, spec: istio.RetryBudget | None) -> Iterator[Finding]:
    """Refuse invalid percentages and numbers."""
    if spec is None:
        return
    if spec.percent is not None and not 0 <= spec.percent <= _HUNDRED:
        yield Finding(about, "InvalidRetryBudget", f"percent {spec.percent:g} is not in 0..100", f"{path}.percent")
    yield from number_findings(about, path, {"minRetryConcurrency": spec.min_retry_concurrency})
    yield from duration_findings(about, path, {"budgetInterval": spec.budget_interval})


def _tcp_findings(about: Ref, path: str, spec: istio.TCPSettings) -> Iterator[Finding]:
    yield from number_findings(about, path, {"maxConnections": spec.max_connections})
    durations = {
        "connectTimeout": spec.connect_timeout,
        "maxConnectionDuration": spec.max_connection_duration,
        "idleTimeout": spec.idle_timeout,
    }
    yield from duration_findings(about, path, durations)
    yield from keepalive_findings(about, f"{path}.tcpKeepalive", spec.tcp_keepalive)


def _http_findings(about: Ref, path: str, spec: istio.HTTPSettings) -> Iterator[Finding]:
    numbers = {
        "http1MaxPendingRequests": spec.http1_max_pending_requests,
        "http2MaxRequests": spec.http2_max_requests,
        "maxRequestsPerConnection": spec.max_requests_per_connection,
        "maxRetries": spec.max_retries,
        "maxConcurrentStreams": spec.max_concurrent_streams,
    }
    yield from number_findings(about, path, numbers)
    yield from duration_findings(about, path, {"idleTimeout": spec.idle_timeout})
    if spec.h2_upgrade_policy not in _POLICIES:
        message = f"{spec.h2_upgrade_policy} is not one of {', '.join(filter(None, _POLICIES))}"
        yield Finding(about, "InvalidUpgrade", message, f"{path}.h2UpgradePolicy")
    if spec.use_client_protocol and spec.h2_upgrade_policy == "UPGRADE":
        message = "use client protocol must not be true when H2UpgradePolicy is UPGRADE"
        yield Finding(about, "InvalidUpgrade", message, f"{path}.useClientProtocol")
    if spec.http2_keep_alive is not None:
        yield from _ping_findings(about, f"{path}.http2KeepAlive", spec.http2_keep_alive)


def _ping_findings(about: Ref, path: str, spec: istio.Http2KeepAlive) -> Iterator[Finding]:
    """Refuse a missing duration, as Istio does, and one of 0, which Envoy rejects."""
    durations = {"interval": spec.interval, "timeout": spec.timeout}
    for field, text in durations.items():
        if not text:
            yield Finding(about, "InvalidDuration", f"http2 keepalive {field} is required", f"{path}.{field}")
    yield from duration_findings(about, path, durations, positive=True)


def _http2_keepalive(spec: istio.Http2KeepAlive | None) -> Http2Keepalive | None:
    return Http2Keepalive(optional_ms(spec.interval), optional_ms(spec.timeout)) if spec else None


def _idle(text: str | None) -> int | None:
    return None if text is None else optional_ms(text)


def keepalive_of(spec: istio.TcpKeepalive | None) -> Keepalive | None:
    """Return the probes. TCP counts whole seconds, so durations are rounded up."""
    if spec is None:
        return None
    time, interval = (-(-optional_ms(text) // 1000) for text in (spec.time, spec.interval))
    return Keepalive(spec.probes, time, interval)
