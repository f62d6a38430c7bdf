"""HTTPRetry -> Retries."""

from collections.abc import Iterator
from http import HTTPStatus

from mirrorplane.api.actions import Retries
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.durations import duration_findings, optional_ms

_BY_STATUS = "retriable-status-codes"
_CODES = frozenset(status.value for status in HTTPStatus)
_CONDITIONS = frozenset(
    {
        *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited"),
        *("retriable-4xx", "refused-stream", _BY_STATUS, "retriable-headers", "http3-post-connect-failure"),
        *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
    }
)
_MOST = 1000
"""Envoy takes more, but so many tries of one request are a mistake."""


def retries_of(said: istio.Retry | None) -> Retries | None:
    """Return when to try again; None when the rule does not say (Istio: then the mesh does)."""
    if said is None:
        return None
    plain = Retries()
    on, statuses = _conditions(said.retry_on) if said.retry_on else (plain.on, ())
    return Retries(
        attempts=said.attempts,
        on=on,
        statuses=statuses,
        per_try_ms=optional_ms(said.per_try_timeout),
        backoff_ms=optional_ms(said.backoff),
        other_hosts=said.retry_ignore_previous_hosts,
        other_localities=bool(said.retry_remote_localities),
    )


def retry_findings(about: Ref, path: str, said: istio.Retry | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if said is None:
        return
    if not 0 <= said.attempts <= _MOST:
        message = "attempts cannot be negative" if said.attempts < 0 else f"attempts can be {_MOST} at most"
        yield Finding(about, "InvalidRetries", message, f"{path}.attempts")
    if said.attempts == 0 and (said.retry_on or said.per_try_timeout or said.backoff):
        message = "http retry policy configured when attempts are set to 0 (disabled)"
        yield Finding(about, "InvalidRetries", message, f"{path}.attempts", fix="set attempts, or leave the rest out")
    for word in _words(said.retry_on):
        if word not in _CONDITIONS and not (word.isdigit() and int(word) in _CODES):
            message = f'"{word}" is not a valid retryOn policy'
            fix = f"use one of {', '.join(sorted(_CONDITIONS))}, or an HTTP status"
            yield Finding(about, "InvalidRetries", message, f"{path}.retryOn", fix=fix)
    yield from duration_findings(about, path, {"perTryTimeout": said.per_try_timeout, "backoff": said.backoff})


def _conditions(text: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Split words from status codes, which are a condition of their own (Istio)."""
    words = _words(text)
    statuses = tuple(int(word) for word in words if word.isdigit())
    on = [word for word in words if not word.isdigit()]
    return tuple(dict.fromkeys(on + ([_BY_STATUS] if statuses else []))), statuses


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]
