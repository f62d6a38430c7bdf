"""Retries -> RetryPolicy. Copies are never retried."""

from mirrorplane.api.actions import Retries
from mirrorplane.translators import envoy

_SELECTIONS = 5
_UPDATE_EVERY = 2


def policy(said: Retries, *, hashed: bool = False) -> envoy.RetryPolicy:
    """Return Envoy's retry policy. No attempts is a policy too: without one, the virtual host's would hold.

    `hashed`: a hash chooses the endpoint, so the next try goes to the same one (Istio).
    """
    body = envoy.RetryPolicy(num_retries=envoy.UInt32Value(value=said.attempts))
    if not said.attempts:
        return body
    body.retry_on = ",".join(said.on)
    body.retriable_status_codes.extend(said.statuses)
    if said.per_try_ms:
        body.per_try_timeout.CopyFrom(envoy.duration(said.per_try_ms))
    if said.backoff_ms:
        body.retry_back_off.base_interval.CopyFrom(envoy.duration(said.backoff_ms))
    if said.other_hosts or (said.other_hosts is None and not hashed):
        config = envoy.packed(envoy.PreviousHostsPredicate())
        body.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts", typed_config=config)
        body.host_selection_retry_max_attempts = _SELECTIONS
    if said.other_localities:
        body.retry_priority.name = "envoy.retry_priorities.previous_priorities"
        config = envoy.packed(envoy.PreviousPriorities(update_frequency=_UPDATE_EVERY))
        body.retry_priority.typed_config.CopyFrom(config)
    return body
