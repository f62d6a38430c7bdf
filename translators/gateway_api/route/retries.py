"""HTTPRouteRetry and HTTPRouteTimeouts -> retries and timeouts."""

from collections.abc import Iterator

from mirrorplane.api.actions import Retries
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import milliseconds
from mirrorplane.translators.gateway_api.conditions import UNSUPPORTED_VALUE
from mirrorplane.translators.gateway_api.route.durations import duration_findings, optional_ms

# Not `5xx`: statuses that `codes` does not list must not be retried. `reset` includes an attempt that timed out.
_ON = ("connect-failure", "refused-stream", "reset")
"""No response, or none within the time of one attempt."""
_BY_STATUS = "retriable-status-codes"
_NEVER = Retries(attempts=0)
_MOST = 1000
"""Envoy accepts more, but so many retries of one request are a mistake."""


def retries_of(rule: gw.HTTPRouteRule) -> Retries:
    """Return the retries of a rule. Gateway API: none unless it asks for some; the mesh's default does not apply."""
    retry = rule.retry
    if retry is None or retry.attempts == 0:
        return _NEVER
    return Retries(
        attempts=Retries().attempts if retry.attempts is None else retry.attempts,
        on=(*_ON, _BY_STATUS) if retry.codes else _ON,
        statuses=tuple(dict.fromkeys(retry.codes)),
        per_try_ms=optional_ms(rule.timeouts.backend_request),
        backoff_ms=optional_ms(retry.backoff),
    )


def timeout_of(rule: gw.HTTPRouteRule) -> int:
    """Return the timeout of a request in ms, 0 for none; without retries, that of one attempt limits it too."""
    request, attempt = optional_ms(rule.timeouts.request), optional_ms(rule.timeouts.backend_request)
    # Envoy's per-try timeout exists only inside a retry policy.
    if retries_of(rule).attempts:
        return request
    return min((ms for ms in (request, attempt) if ms), default=0)


def retry_findings(about: Ref, path: str, rule: gw.HTTPRouteRule) -> Iterator[Finding]:
    """Report what the API server rejects, and what Envoy would."""
    timeouts = rule.timeouts
    invalid = list(
        duration_findings(
            about, f"{path}.timeouts", {"request": timeouts.request, "backendRequest": timeouts.backend_request}
        )
    )
    yield from invalid
    if not invalid and timeouts.request and timeouts.backend_request:
        request, backend = milliseconds(timeouts.request), milliseconds(timeouts.backend_request)
        if request and backend > request:
            message = "backendRequest timeout cannot be longer than request timeout"
            yield Finding(about, "InvalidDuration", message, f"{path}.timeouts")
    if rule.retry is not None:
        yield from duration_findings(about, f"{path}.retry", {"backoff": rule.retry.backoff})
        if not 0 <= (rule.retry.attempts or 0) <= _MOST:
            message = f"attempts must be from 0 to {_MOST}"
            yield Finding(about, UNSUPPORTED_VALUE, message, f"{path}.retry.attempts")
