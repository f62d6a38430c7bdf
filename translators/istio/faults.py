"""HTTPFaultInjection -> Fault."""

from collections.abc import Iterator

from mirrorplane.api.actions import Fault
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import MILLION, millionths
from mirrorplane.translators.istio.durations import duration_findings, optional_ms

_GRPC = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""By number: https://grpc.io/docs/guides/status-codes/."""
_STATUSES = range(200, 600)
_SMALLEST_PERCENT, _LARGEST_PERCENT = 0.0001, 100


def fault_of(said: istio.Fault | None) -> Fault | None:
    """Return the failures; None when there are none. A share nobody states is 0 (Istio)."""
    if said is None:
        return None
    delay, abort = said.delay or istio.Delay(), said.abort or istio.Abort()
    found = Fault(
        delay_ms=optional_ms(delay.fixed_delay),
        delay_fraction=_fraction(delay.percentage, delay.percent) if delay.fixed_delay else 0,
        abort_http=abort.http_status,
        abort_grpc=_GRPC.index(abort.grpc_status) if abort.grpc_status else 0,
        abort_fraction=_fraction(abort.percentage) if abort.http_status or abort.grpc_status else 0,
    )
    return found if found.delay_fraction or found.abort_fraction else None


def fault_findings(about: Ref, path: str, said: istio.Fault | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and say when a fault does nothing."""
    if said is None:
        return
    if said.delay is None and said.abort is None:
        yield Finding(about, "InvalidFault", "must have an abort and/or a delay", path)
    if said.delay is not None:
        yield from _delay_findings(about, f"{path}.delay", said.delay)
    if said.abort is not None:
        yield from _abort_findings(about, f"{path}.abort", said.abort)


def _delay_findings(about: Ref, path: str, said: istio.Delay) -> Iterator[Finding]:
    if not said.fixed_delay:
        message = "only fixedDelay can be served" if said.exponential_delay else "fixedDelay is missing"
        yield Finding(about, "InvalidFault", message, f"{path}.fixedDelay", fix="set fixedDelay, for example 5s")
    yield from duration_findings(about, path, {"fixedDelay": said.fixed_delay}, positive=True)
    if not 0 <= said.percent <= _LARGEST_PERCENT:
        yield Finding(about, "InvalidFault", f"{said.percent} is not in 0..100", f"{path}.percent")
    yield from _share_findings(about, path, said.percentage, said=said.percent > 0)


def _abort_findings(about: Ref, path: str, said: istio.Abort) -> Iterator[Finding]:
    if said.http2_error:
        message = "HTTP/2 abort fault injection not supported yet"
        yield Finding(about, "InvalidFault", message, f"{path}.http2Error", fix="use httpStatus or grpcStatus")
    elif bool(said.http_status) == bool(said.grpc_status):
        yield Finding(about, "InvalidFault", "one of httpStatus and grpcStatus is needed", path)
    if said.http_status and said.http_status not in _STATUSES:
        message = f"HTTP status {said.http_status} is not in 200..599"
        yield Finding(about, "InvalidFault", message, f"{path}.httpStatus")
    if said.grpc_status and said.grpc_status not in _GRPC[1:]:
        message = f'"{said.grpc_status}" is not a gRPC status to fail with'
        yield Finding(about, "InvalidFault", message, f"{path}.grpcStatus", fix=f"use one of {', '.join(_GRPC[1:])}")
    yield from _share_findings(about, path, said.percentage, said=False)


def _share_findings(about: Ref, path: str, share: istio.Percent | None, *, said: bool) -> Iterator[Finding]:
    if share is None:
        if not said:
            message = "no percentage is set, and that is 0 %: nothing fails"
            yield Finding(about, "FaultUnused", message, path, Severity.WARNING, "set percentage.value")
    elif share.value and not _SMALLEST_PERCENT <= share.value <= _LARGEST_PERCENT:
        message = f"percentage must be 0, or between {_SMALLEST_PERCENT} and {_LARGEST_PERCENT} (it is {share.value})"
        yield Finding(about, "InvalidFault", message, f"{path}.percentage.value")


def _fraction(share: istio.Percent | None, percent: int = 0) -> int:
    return millionths(share.value) if share is not None else percent * (MILLION // 100)
