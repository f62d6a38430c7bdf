"""Failures on purpose: what a route's fault filter does before anything is sent."""

from http import HTTPStatus

from mirrorplane.api.tracing import FaultOutcome, HeaderEdit, Reply
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.fields import fraction

_FILTER = "envoy.filters.http.fault"
_BODY = b"fault filter abort"


def failing(route: envoy.Route) -> FaultOutcome | None:
    """Return what fails on a route, and how often; None when nothing does."""
    if _FILTER not in route.typed_per_filter_config:
        return None
    said = envoy.HTTPFault.FromString(route.typed_per_filter_config[_FILTER].value)
    abort, delay = fraction(said.abort.percentage), fraction(said.delay.percentage)
    return FaultOutcome(
        status=said.abort.http_status or (HTTPStatus.OK.value if said.HasField("abort") else 0),
        grpc_status=said.abort.grpc_status,
        numerator=abort[0] if said.HasField("abort") else 0,
        denominator=abort[1],
        delay_ms=said.delay.fixed_delay.ToMilliseconds(),
        delay_numerator=delay[0] if said.HasField("delay") else 0,
        delay_denominator=delay[1],
    )


def abort(said: FaultOutcome | None, response: tuple[HeaderEdit, ...]) -> Reply | None:
    """Return the answer of a request that fails for certain; chance is left open, as it has a die of its own.

    What the route changes on answers is changed on this one too.
    """
    if said is None or said.numerator < said.denominator:
        return None
    return Reply(said.status, body=_BODY, response_edits=response)
