"""Retries -> RetryPolicy. Copies are never retried."""

from mirrorplane.api.actions import Retries
from mirrorplane.translators import envoy

# Both as in Istio.
_HOST_SELECTION_ATTEMPTS = 5
_PRIORITY_UPDATE_FREQUENCY = 2


def policy(retry: Retries, *, hashed: bool = False) -> envoy.RetryPolicy:
    """Return Envoy's retry policy. Zero attempts is a policy too: without one, the virtual host's would apply.

    `hashed`: a hash chooses the endpoint, and chooses the same one again, so previous hosts are not avoided (Istio).
    """
    body = envoy.RetryPolicy(num_retries=envoy.UInt32Value(value=retry.attempts))
    if not retry.attempts:
        return body
    body.retry_on = ",".join(retry.on)
    body.retriable_status_codes.extend(retry.statuses)
    if retry.per_try_ms:
        body.per_try_timeout.CopyFrom(envoy.duration(retry.per_try_ms))
    if retry.backoff_ms:
        body.retry_back_off.base_interval.CopyFrom(envoy.duration(retry.backoff_ms))
    if retry.other_hosts or (retry.other_hosts is None and not hashed):
        config = envoy.packed(envoy.PreviousHostsPredicate())
        body.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts", typed_config=config)
        body.host_selection_retry_max_attempts = _HOST_SELECTION_ATTEMPTS
    if retry.other_localities:
        body.retry_priority.name = "envoy.retry_priorities.previous_priorities"
        config = envoy.packed(envoy.PreviousPriorities(update_frequency=_PRIORITY_UPDATE_FREQUENCY))
        body.retry_priority.typed_config.CopyFrom(config)
    return body
