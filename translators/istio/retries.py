"""HTTPRetry -> Retries."""

from collections.abc import Iterator
from http import HTTPStatus

from mirrorplane.api.actions import Retries
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import whole_number
from mirrorplane.translators.istio.scalars import duration_findings, optional_ms

_BY_STATUS = "retriable-status-codes"
_CODES = frozenset(status.value for status in HTTPStatus)
_CONDITIONS = frozenset(
    {
        # Envoy's words for x-envoy-retry-on, and those for x-envoy-retry-grpc-on in the last line.
        *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited"),
        *("retriable-4xx", "refused-stream", _BY_STATUS, "retriable-headers", "http3-post-connect-failure"),
        *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
    }
)
_MAX_ATTEMPTS = 1000
"""Envoy allows more, but more attempts for one request are a mistake."""


def retries_of(spec: istio.Retry | None) -> Retries | None:
    """Return the retry policy; None when unset, so that the mesh's default applies (Istio)."""
    if spec is None:
        return None
    defaults = Retries()
    on, statuses = _conditions(spec.retry_on) if spec.retry_on else (defaults.on, ())
    return Retries(
        attempts=spec.attempts,
        on=on,
        statuses=statuses,
        per_try_ms=optional_ms(spec.per_try_timeout),
        backoff_ms=optional_ms(spec.backoff),
        other_hosts=spec.retry_ignore_previous_hosts,
        other_localities=bool(spec.retry_remote_localities),
    )


def retry_findings(about: Ref, path: str, spec: istio.Retry | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if spec is None:
        return
    if not 0 <= spec.attempts <= _MAX_ATTEMPTS:
        message = "attempts cannot be negative" if spec.attempts < 0 else f"attempts cannot exceed {_MAX_ATTEMPTS}"
        yield Finding(about, "InvalidRetries", message, f"{path}.attempts")
    others = spec.retry_on or spec.per_try_timeout or spec.backoff or spec.retry_remote_localities is not None
    if spec.attempts == 0 and others:
        message = "http retry policy configured when attempts are set to 0 (disabled)"
        yield Finding(
            about, "InvalidRetries", message, f"{path}.attempts", fix="set attempts, or remove the other fields"
        )
    for word in _words(spec.retry_on):
        if word not in _CONDITIONS and whole_number(word) not in _CODES:
            message = f'"{word}" is not a valid retryOn policy'
            fix = f"use one of {', '.join(sorted(_CONDITIONS))}, or an HTTP status"
            yield Finding(about, "InvalidRetries", message, f"{path}.retryOn", fix=fix)
    yield from duration_findings(about, path, {"perTryTimeout": spec.per_try_timeout, "backoff": spec.backoff})


def _conditions(text: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Split conditions from status codes, which make up a condition of their own (Istio)."""
    words = _words(text)
    statuses = tuple(number for word in words if (number := whole_number(word)) is not None)
    on = [word for word in words if whole_number(word) is None]
    return tuple(dict.fromkeys(on + ([_BY_STATUS] if statuses else []))), statuses


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]
