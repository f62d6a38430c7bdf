"""HTTPFaultInjection -> Fault."""

from collections.abc import Iterator

from mirrorplane.api.actions import Fault
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import MILLION, millionths
from mirrorplane.translators.istio.scalars import duration_findings, optional_ms

_GRPC = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""By number: https://grpc.io/docs/guides/status-codes/."""
_STATUSES = range(200, 600)
# Istio's bounds; less than one in a million has no denominator in Envoy.
_SMALLEST_PERCENT, _LARGEST_PERCENT = 0.0001, 100


def fault_of(spec: istio.Fault | None) -> Fault | None:
    """Return the injected faults; None without any. An unset percentage is 0 (Istio)."""
    if spec is None:
        return None
    delay, abort = spec.delay or istio.Delay(), spec.abort or istio.Abort()
    fault = Fault(
        delay_ms=optional_ms(delay.fixed_delay),
        delay_fraction=_fraction(delay.percentage, delay.percent) if delay.fixed_delay else 0,
        abort_http=abort.http_status,
        abort_grpc=_GRPC.index(abort.grpc_status) if abort.grpc_status else 0,
        abort_fraction=_fraction(abort.percentage) if abort.http_status or abort.grpc_status else 0,
    )
    return fault if fault.delay_fraction or fault.abort_fraction else None


def fault_findings(about: Ref, path: str, spec: istio.Fault | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and warn of a fault without effect."""
    if spec is None:
        return
    if spec.delay is None and spec.abort is None:
        yield Finding(about, "InvalidFault", "must have an abort and/or a delay", path)
    if spec.delay is not None:
        yield from _delay_findings(about, f"{path}.delay", spec.delay)
    if spec.abort is not None:
        yield from _abort_findings(about, f"{path}.abort", spec.abort)


def _delay_findings(about: Ref, path: str, spec: istio.Delay) -> Iterator[Finding]:
    if not spec.fixed_delay:
        message = "only fixedDelay is supported" if spec.exponential_delay else "fixedDelay is missing"
        yield Finding(about, "InvalidFault", message, f"{path}.fixedDelay", fix="set fixedDelay, for example 5s")
    yield from duration_findings(about, path, {"fixedDelay": spec.fixed_delay}, positive=True)
    if not 0 <= spec.percent <= _LARGEST_PERCENT:
        yield Finding(about, "InvalidFault", f"{spec.percent} is not in 0..100", f"{path}.percent")
    yield from _share_findings(about, path, spec.percentage, default_set=spec.percent > 0)


def _abort_findings(about: Ref, path: str, spec: istio.Abort) -> Iterator[Finding]:
    if spec.http2_error:
        message = "HTTP/2 abort fault injection not supported yet"
        yield Finding(about, "InvalidFault", message, f"{path}.http2Error", fix="use httpStatus or grpcStatus")
    elif bool(spec.http_status) == bool(spec.grpc_status):
        yield Finding(about, "InvalidFault", "exactly one of httpStatus and grpcStatus is required", path)
    if spec.http_status and spec.http_status not in _STATUSES:
        message = f"HTTP status {spec.http_status} is not in 200..599"
        yield Finding(about, "InvalidFault", message, f"{path}.httpStatus")
    # Without OK, which is no failure.
    if spec.grpc_status and spec.grpc_status not in _GRPC[1:]:
        message = f'"{spec.grpc_status}" is not a gRPC error status'
        yield Finding(about, "InvalidFault", message, f"{path}.grpcStatus", fix=f"use one of {', '.join(_GRPC[1:])}")
    yield from _share_findings(about, path, spec.percentage, default_set=False)


def _share_findings(about: Ref, path: str, percentage: istio.Percent | None, *, default_set: bool) -> Iterator[Finding]:
    if percentage is None:
        if not default_set:
            message = "percentage is unset, which means 0 %: no request is affected"
            yield Finding(about, "FaultUnused", message, path, Severity.WARNING, "set percentage.value")
    elif percentage.value and not _SMALLEST_PERCENT <= percentage.value <= _LARGEST_PERCENT:
        message = (
            f"percentage must be 0, or between {_SMALLEST_PERCENT} and {_LARGEST_PERCENT} (it is {percentage.value})"
        )
        yield Finding(about, "InvalidFault", message, f"{path}.percentage.value")


def _fraction(percentage: istio.Percent | None, percent: int = 0) -> int:
    # `percent` is the deprecated integer, which only delays have.
    return millionths(percentage.value) if percentage is not None else percent * (MILLION // 100)
