"""HTTP filters that may answer a request before it is forwarded: CORS preflights and injected faults."""

from http import HTTPStatus

from mirrorplane.api.tracing import FaultOutcome, HeaderEdit, Reply, Request
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.fields import fraction, header_values, string_matches

_CORS, _FAULT = "envoy.filters.http.cors", "envoy.filters.http.fault"
_ALL = "*"
_ABORT_BODY = b"fault filter abort"


def preflight_reply(route: envoy.Route, request: Request) -> Reply | None:
    """Return the CORS filter's reply to a preflight; None when it forwards the request.

    Envoy also answers preflights from an origin that is not allowed, unless it is configured to forward them; that
    reply lacks the origin. Methods or headers of `*` alone are replaced by what the preflight asks for, with and
    without credentials: no headers for a preflight that asks for none. Measured with Envoy 1.40.
    """
    origin = header_values(request, "origin")
    requested_method = header_values(request, "access-control-request-method")
    is_preflight = request.method == "OPTIONS" and origin and requested_method
    if _CORS not in route.typed_per_filter_config or not is_preflight:
        return None
    policy = envoy.CorsPolicy.FromString(route.typed_per_filter_config[_CORS].value)
    allowed = any(_origin_matches(matcher, origin[0]) for matcher in policy.allow_origin_string_match)
    forwards = not policy.HasField("forward_not_matching_preflights") or policy.forward_not_matching_preflights.value
    if not allowed and forwards:
        return None
    requested_headers = ",".join(header_values(request, "access-control-request-headers"))
    values = {
        "origin": origin[0] if allowed else "",
        "credentials": "true" if policy.allow_credentials.value else "",
        "methods": requested_method[0] if policy.allow_methods == _ALL else policy.allow_methods,
        "headers": requested_headers if policy.allow_headers == _ALL else policy.allow_headers,
    }
    edit = HeaderEdit(set=tuple((f"access-control-allow-{name}", value) for name, value in values.items() if value))
    return Reply(HTTPStatus.OK.value, response_edits=(edit,))


def _origin_matches(matcher: envoy.StringMatcher, origin: str) -> bool:
    # The CORS filter takes a matcher that matches `*` itself, of any kind, for one that matches every origin.
    return string_matches(matcher, _ALL) or string_matches(matcher, origin)


def fault_outcome(route: envoy.Route) -> FaultOutcome | None:
    """Return the faults that a route injects, and how often; None without any."""
    if _FAULT not in route.typed_per_filter_config:
        return None
    fault = envoy.HTTPFault.FromString(route.typed_per_filter_config[_FAULT].value)
    abort, delay = fraction(fault.abort.percentage), fraction(fault.delay.percentage)
    return FaultOutcome(
        # An abort with a gRPC status alone is sent with HTTP status 200.
        status=fault.abort.http_status or (HTTPStatus.OK.value if fault.HasField("abort") else 0),
        grpc_status=fault.abort.grpc_status,
        numerator=abort[0] if fault.HasField("abort") else 0,
        denominator=abort[1],
        delay_ms=fault.delay.fixed_delay.ToMilliseconds(),
        delay_numerator=delay[0] if fault.HasField("delay") else 0,
        delay_denominator=delay[1],
    )


def abort_reply(fault: FaultOutcome | None, response_edits: tuple[HeaderEdit, ...]) -> Reply | None:
    """Return the reply of a request that is always aborted; None otherwise.

    Smaller fractions stay open even with a random value: the fault filter draws a number of its own. The route's
    response edits apply to aborts too.
    """
    if fault is None or fault.numerator < fault.denominator:
        return None
    return Reply(fault.status, body=_ABORT_BODY, response_edits=response_edits)
