"""HTTPRouteRetry and HTTPRouteTimeouts -> when to try again, and how long all of it may take."""

from collections.abc import Iterator

from mirrorplane.api.actions import Retries
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import milliseconds
from mirrorplane.translators.gateway_api.route.durations import duration_findings, optional_ms

_ON = ("connect-failure", "refused-stream", "reset")
"""Nothing was answered, or not in the time of one try."""
_BY_STATUS = "retriable-status-codes"
_NEVER = Retries(attempts=0)
_MOST = 1000
"""Envoy takes more, but so many tries of one request are a mistake."""


def retries_of(rule: gw.HTTPRouteRule) -> Retries:
    """Return when to try again. Gateway API: never, unless the rule says so; what the mesh does is nothing to it."""
    said = rule.retry
    if said is None or said.attempts == 0:
        return _NEVER
    return Retries(
        attempts=Retries().attempts if said.attempts is None else said.attempts,
        on=(*_ON, _BY_STATUS) if said.codes else _ON,
        statuses=tuple(dict.fromkeys(said.codes)),
        per_try_ms=optional_ms(rule.timeouts.backend_request),
        backoff_ms=optional_ms(said.backoff),
    )


def timeout_of(rule: gw.HTTPRouteRule) -> int:
    """Return how many milliseconds a request may take, 0 for ever; what is tried once has the time of one try."""
    request, one = optional_ms(rule.timeouts.request), optional_ms(rule.timeouts.backend_request)
    if retries_of(rule).attempts:
        return request
    return min((ms for ms in (request, one) if ms), default=0)


def retry_findings(about: Ref, path: str, rule: gw.HTTPRouteRule) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would."""
    said = rule.timeouts
    found = list(
        duration_findings(about, f"{path}.timeouts", {"request": said.request, "backendRequest": said.backend_request})
    )
    yield from found
    if not found and said.request and said.backend_request:
        request, backend = milliseconds(said.request), milliseconds(said.backend_request)
        if request and backend > request:
            message = "backendRequest timeout cannot be longer than request timeout"
            yield Finding(about, "InvalidDuration", message, f"{path}.timeouts")
    if rule.retry is not None:
        yield from duration_findings(about, f"{path}.retry", {"backoff": rule.retry.backoff})
        if not 0 <= (rule.retry.attempts or 0) <= _MOST:
            message = f"attempts can be 0 to {_MOST}"
            yield Finding(about, "InvalidRetries", message, f"{path}.retry.attempts")
