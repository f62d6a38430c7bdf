"""The mirrors of an HTTP rule: `mirror`, `mirrors` and the three spellings of the percentage."""

from collections.abc import Iterator

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.settings import MeshSettings
from mirrorplane.api.units import MILLION, millionths
from mirrorplane.translators.istio.delegates import Place, Rule
from mirrorplane.translators.istio.destinations import destination_of

_HUNDRED = 100


def mirrors_of(rule: Rule, mesh: MeshSettings) -> tuple[Mirror, ...]:
    """Return the copies a rule asks for, `mirror` first, then `mirrors` in order; 0 % is no mirror (Istio)."""
    asked = [_asked(rule.mirror, "mirror", rule.said.mirror, _fraction(rule.said))] if rule.said.mirror else []
    for i, policy in enumerate(rule.said.mirrors):
        share = MILLION if policy.percentage is None else millionths(policy.percentage.value)
        asked.append(_asked(rule.mirrors, f"mirrors[{i}].destination", policy.destination, share))
    return tuple(Mirror(to, about, share, mesh.shadow_suffix) for to, about, share in asked if share)


def mirror_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses: both forms at once, percentages outside 0..100."""
    if rule.mirror and rule.mirrors:
        yield Finding(
            about,
            "InvalidMirror",
            "HTTP route cannot contain both mirror and mirrors",
            path,
            fix="move it into mirrors",
        )
    shares: list[tuple[str, float]] = [
        (f"mirrors[{i}].percentage.value", m.percentage.value) for i, m in enumerate(rule.mirrors) if m.percentage
    ]
    if rule.mirror_percentage:
        shares.append(("mirrorPercentage.value", rule.mirror_percentage.value))
    for field, said in _deprecated(rule):
        shares.append((field, said))
        yield Finding(
            about, "Deprecated", f"{field} is deprecated", f"{path}.{field}", Severity.WARNING, "use mirrorPercentage"
        )
    for field, share in shares:
        if not 0 <= share <= _HUNDRED:
            message = f"{share:g} is not a percentage between 0 and 100"
            yield Finding(about, "InvalidMirror", message, f"{path}.{field}")
    if shares and not (rule.mirror or rule.mirrors):
        message = "a mirror percentage without a mirror does nothing"
        yield Finding(about, "NoMirror", message, f"{path}.{shares[0][0]}", Severity.WARNING, "add mirror")


def _asked(place: Place, field: str, to: istio.Destination, share: int) -> tuple[Destination, Ref, int]:
    return destination_of(place.about, f"{place.path}.{field}", to), place.about, share


def _fraction(rule: istio.HTTPRoute) -> int:
    """Return the share of `mirror`: mirrorPercentage wins even when it is 0; nothing said is everything (Istio)."""
    if rule.mirror_percentage is not None:
        return millionths(rule.mirror_percentage.value)
    for _, said in _deprecated(rule):
        return millionths(said)
    return MILLION


def _deprecated(rule: istio.HTTPRoute) -> Iterator[tuple[str, int]]:
    if rule.mirror_percent is not None:
        yield "mirrorPercent", rule.mirror_percent
    if rule.mirror_percent_snake is not None:
        yield "mirror_percent", rule.mirror_percent_snake
