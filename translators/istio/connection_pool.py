"""ConnectionPoolSettings -> ConnectionPool, OutlierDetection -> OutlierDetection, RetryBudget -> RetryBudget."""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import ConnectionPool, Keepalive, OutlierDetection, RetryBudget
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.durations import duration_findings, optional_ms
from mirrorplane.translators.istio.numbers import number_findings

_POLICIES = ("", "DEFAULT", "UPGRADE", "DO_NOT_UPGRADE")
_UPGRADES = {"UPGRADE": True, "DO_NOT_UPGRADE": False}
_PERCENT = range(101)
_ALL = 100.0


def pool_of(said: istio.ConnectionPool | None) -> ConnectionPool | None:
    """Return the limits of connections and requests, and how HTTP is spoken."""
    if said is None:
        return None
    tcp, http = said.tcp or istio.TCPSettings(), said.http or istio.HTTPSettings()
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
        http_idle_timeout_ms=_idle(tcp.idle_timeout if http.idle_timeout is None else http.idle_timeout),
        keepalive=keepalive_of(tcp.tcp_keepalive),
        http2=_UPGRADES.get(http.h2_upgrade_policy),
        use_client_protocol=http.use_client_protocol,
    )


def outliers_of(said: istio.OutlierDetection | None) -> OutlierDetection | None:
    """Return when an endpoint is left alone."""
    if said is None:
        return None
    return OutlierDetection(
        consecutive_5xx=said.consecutive_5xx_errors,
        consecutive_gateway_errors=said.consecutive_gateway_errors,
        consecutive_local_origin_failures=said.consecutive_local_origin_failures,
        split_local_origin_errors=said.split_external_local_origin_errors,
        interval_ms=optional_ms(said.interval),
        base_ejection_ms=optional_ms(said.base_ejection_time),
        max_ejection_percent=said.max_ejection_percent,
        min_health_percent=said.min_health_percent,
    )


def retry_share_of(said: istio.RetryBudget | None) -> RetryBudget | None:
    """Return how many retries there may be."""
    if said is None:
        return None
    plain = RetryBudget()
    return RetryBudget(
        plain.percent if said.percent is None else said.percent, said.min_retry_concurrency or plain.min_concurrency
    )


def keepalive_findings(about: Ref, path: str, said: istio.TcpKeepalive | None) -> Iterator[Finding]:
    """Refuse numbers and durations that are none."""
    if said is not None:
        yield from number_findings(about, path, {"probes": said.probes})
        yield from duration_findings(about, path, {"time": said.time, "interval": said.interval})


def pool_findings(about: Ref, path: str, said: istio.ConnectionPool | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if said is None:
        return
    if said.tcp is None and said.http is None:
        yield Finding(about, "EmptyPolicy", "connection pool must have at least one field", path)
    if said.tcp is not None:
        yield from _tcp_findings(about, f"{path}.tcp", said.tcp)
    if said.http is not None:
        yield from _http_findings(about, f"{path}.http", said.http)


def outlier_findings(about: Ref, path: str, said: istio.OutlierDetection | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and warn of what it warns of."""
    if said is None:
        return
    if said.consecutive_errors:
        message = "outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or "
        message += "consecutive5xxErrors instead: it changes nothing"
        yield Finding(about, "Deprecated", message, f"{path}.consecutiveErrors", Severity.WARNING)
    if said.consecutive_local_origin_failures and not said.split_external_local_origin_errors:
        message = (
            "outlier detection consecutive local origin failures is specified, "
            "but split external local origin errors is set to false"
        )
        yield Finding(about, "InvalidOutlierDetection", message, f"{path}.consecutiveLocalOriginFailures")
    numbers = {
        "consecutive5xxErrors": said.consecutive_5xx_errors,
        "consecutiveGatewayErrors": said.consecutive_gateway_errors,
        "consecutiveLocalOriginFailures": said.consecutive_local_origin_failures,
    }
    yield from number_findings(about, path, numbers)
    shares = {"maxEjectionPercent": said.max_ejection_percent, "minHealthPercent": said.min_health_percent}
    yield from number_findings(about, path, shares, _PERCENT)
    yield from duration_findings(about, path, {"interval": said.interval, "baseEjectionTime": said.base_ejection_time})


def retry_share_findings(about: Ref, path: str, said: istio.RetryBudget | None) -> Iterator[Finding]:
    """Refuse shares that are none."""
    if said is None:
        return
    if said.percent is not None and not 0 <= said.percent <= _ALL:
        yield Finding(about, "InvalidRetryBudget", f"percent {said.percent:g} is not in 0..100", f"{path}.percent")
    yield from number_findings(about, path, {"minRetryConcurrency": said.min_retry_concurrency})


def _tcp_findings(about: Ref, path: str, said: istio.TCPSettings) -> Iterator[Finding]:
    yield from number_findings(about, path, {"maxConnections": said.max_connections})
    durations = {
        "connectTimeout": said.connect_timeout,
        "maxConnectionDuration": said.max_connection_duration,
        "idleTimeout": said.idle_timeout,
    }
    yield from duration_findings(about, path, durations)
    yield from keepalive_findings(about, f"{path}.tcpKeepalive", said.tcp_keepalive)


def _http_findings(about: Ref, path: str, said: istio.HTTPSettings) -> Iterator[Finding]:
    numbers = {
        "http1MaxPendingRequests": said.http1_max_pending_requests,
        "http2MaxRequests": said.http2_max_requests,
        "maxRequestsPerConnection": said.max_requests_per_connection,
        "maxRetries": said.max_retries,
        "maxConcurrentStreams": said.max_concurrent_streams,
    }
    yield from number_findings(about, path, numbers)
    yield from duration_findings(about, path, {"idleTimeout": said.idle_timeout})
    if said.h2_upgrade_policy not in _POLICIES:
        message = f"{said.h2_upgrade_policy} is none of {', '.join(filter(None, _POLICIES))}"
        yield Finding(about, "InvalidUpgrade", message, f"{path}.h2UpgradePolicy")
    if said.use_client_protocol and said.h2_upgrade_policy == "UPGRADE":
        message = "use client protocol must not be true when H2UpgradePolicy is UPGRADE"
        yield Finding(about, "InvalidUpgrade", message, f"{path}.useClientProtocol")


def _idle(text: str | None) -> int | None:
    return None if text is None else optional_ms(text)


def keepalive_of(said: istio.TcpKeepalive | None) -> Keepalive | None:
    """Return the probes; the system counts whole seconds, and less than one is one."""
    if said is None:
        return None
    time, interval = (-(-optional_ms(text) // 1000) for text in (said.time, said.interval))
    return Keepalive(said.probes, time, interval)
