"""HTTPRequestMirrorFilter -> Mirror."""

from collections.abc import Iterable, Iterator

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.units import MILLION
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.route.backends import Referrer, backend_problem, destination_of


class MirrorFilter(msgspec.Struct, frozen=True):
    """A RequestMirror filter, and the reference in it as a referrer."""

    referrer: Referrer
    spec: gw.HTTPRequestMirrorFilter


def mirror_filters(filters: Iterable[gw.HTTPRouteFilter], referrer: Referrer) -> Iterator[MirrorFilter]:
    """Yield the mirrors among filters; `referrer` is the list of filters."""
    for i, spec in enumerate(filters):
        if spec.request_mirror is not None:
            path = f"{referrer.path}[{i}].requestMirror.backendRef"
            yield MirrorFilter(msgspec.structs.replace(referrer, path=path), spec.request_mirror)


def mirrors_of(view: View, filters: Iterable[MirrorFilter]) -> Iterator[Mirror]:
    """Yield the mirrors that copy anything. One without a usable target is dropped: the request must not notice."""
    for mirror in filters:
        fraction, referrer, ref = _fraction(mirror.spec), mirror.referrer, mirror.spec.backend_ref
        if fraction and not backend_problem(view, referrer, ref):
            yield Mirror(destination_of(view, referrer, ref), referrer.about, fraction)


def mirror_findings(view: View, filters: Iterable[MirrorFilter], *, redirected: bool) -> Iterator[Finding]:
    """Report mirrors that never copy anything."""
    for mirror in filters:
        about, path = mirror.referrer.about, mirror.referrer.path
        if problem := backend_problem(view, mirror.referrer, mirror.spec.backend_ref):
            message = f"{problem.message}; nothing is mirrored, the rule itself is not affected"
            yield Finding(about, problem.reason, message, f"{path}.{problem.field}", fix=problem.fix)
        elif not _fraction(mirror.spec):
            field = "percent" if mirror.spec.percent is not None else "fraction"
            message = "the share of this mirror is 0 %, or less than one in a million: nothing is mirrored"
            fix = "set a larger share, or remove the mirror"
            where = f"{path.removesuffix('.backendRef')}.{field}"
            yield Finding(about, "MirrorNeverFires", message, where, Severity.WARNING, fix)
        elif redirected:
            message = "the proxy answers with a redirect and forwards nothing, so this mirror never copies a request"
            yield Finding(about, "MirrorUnused", message, path.removesuffix(".backendRef"), Severity.WARNING)


def _fraction(spec: gw.HTTPRequestMirrorFilter) -> int:
    """Return the fraction to copy in parts per MILLION; all where none is set."""
    if spec.percent is not None:
        return spec.percent * MILLION // 100
    if spec.fraction is not None:
        return round(MILLION * spec.fraction.numerator / spec.fraction.denominator)
    return MILLION
