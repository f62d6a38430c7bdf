"""HTTPRequestMirrorFilter -> Mirror."""

from collections.abc import Iterable, Iterator

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.units import MILLION
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.route.backends import Use, destination_of, problem
from mirrorplane.translators.gateway_api.route.rule_split import WHOLE, Share


class Copies(msgspec.Struct, frozen=True):
    """A mirror, and the field that says so."""

    use: Use
    said: gw.HTTPRequestMirrorFilter


def mirrors_in(filters: Iterable[gw.HTTPRouteFilter], use: Use) -> Iterator[Copies]:
    """Yield the mirrors among filters; `use` is whose they are, and their field."""
    for i, one in enumerate(filters):
        if one.request_mirror is not None:
            where = f"{use.path}[{i}].requestMirror.backendRef"
            yield Copies(msgspec.structs.replace(use, path=where), one.request_mirror)


def copies_of(view: View, found: Iterable[Copies], among: Share = WHOLE) -> Iterator[Mirror]:
    """Yield what can be copied, for a share of all requests."""
    for one in found:
        fraction = among.part(_fraction(one.said))
        if fraction and not problem(view, one.use, one.said.backend_ref)[0]:
            yield Mirror(destination_of(view, one.use, one.said.backend_ref), one.use.about, fraction)


def copy_findings(view: View, found: Iterable[Copies], *, redirected: bool) -> Iterator[Finding]:
    """Say which mirrors there are not."""
    for one in found:
        reason, field, sentence = problem(view, one.use, one.said.backend_ref)
        about, path = one.use.about, one.use.path
        if reason:
            message = f"{sentence}: nothing is copied; the rule itself is not affected"
            yield Finding(about, reason, message, f"{path}.{field}")
        elif redirected:
            message = "a redirect is answered by the proxy, so there is nothing to copy: the mirror never happens"
            where = path.removesuffix(".backendRef")
            yield Finding(about, "MirrorUnused", message, where, Severity.WARNING)


def _fraction(said: gw.HTTPRequestMirrorFilter) -> int:
    """Return the share in parts per MILLION."""
    if said.percent is not None:
        return said.percent * MILLION // 100
    if said.fraction is not None:
        return round(MILLION * said.fraction.numerator / said.fraction.denominator)
    return MILLION
