"""The mirrors of an HTTP rule: `mirror`, `mirrors` and the three spellings of the percentage."""

from collections.abc import Iterator
from decimal import Decimal

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import FieldRef, Ref
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.settings import MeshSettings
from mirrorplane.api.units import MILLION, millionths
from mirrorplane.translators.istio.delegates import Rule
from mirrorplane.translators.istio.references import destination_of

_HUNDRED = 100


def mirrors_of(rule: Rule, mesh: MeshSettings) -> tuple[Mirror, ...]:
    """Return the mirrors of a rule: `mirror` first, then `mirrors` in order, without those of 0 % (Istio)."""
    return tuple(
        Mirror(destination_of(place.about, f"{place.path}.{field}", spec), place.about, fraction, mesh.shadow_suffix)
        for place, field, spec, fraction in _mirror_specs(rule)
        if fraction
    )


def mirror_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses: both forms at once, percentages outside 0..100."""
    if rule.mirror and rule.mirrors:
        message = "HTTP route cannot contain both mirror and mirrors"
        yield Finding(about, "InvalidMirror", message, path, fix="move it into mirrors")
    percentages: list[tuple[str, float]] = [
        (f"mirrors[{i}].percentage.value", m.percentage.value) for i, m in enumerate(rule.mirrors) if m.percentage
    ]
    if rule.mirror_percentage:
        percentages.append(("mirrorPercentage.value", rule.mirror_percentage.value))
    for field, percent in _deprecated(rule):
        percentages.append((field, percent))
        message, fix = f"{field} is deprecated", "use mirrorPercentage"
        yield Finding(about, "Deprecated", message, f"{path}.{field}", Severity.WARNING, fix)
    for field, value in percentages:
        if not 0 <= value <= _HUNDRED:
            message = f"{value:g} is not a percentage between 0 and 100"
            yield Finding(about, "InvalidMirror", message, f"{path}.{field}")
    yield from _never_fires(about, path, rule)
    if percentages and not (rule.mirror or rule.mirrors):
        message = "a mirror percentage without mirror has no effect"
        yield Finding(about, "NoMirror", message, f"{path}.{percentages[0][0]}", Severity.WARNING, "add mirror")


def _never_fires(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Warn of mirrors of 0 %, and of those whose share is rounded to it (Istio, see `millionths`)."""
    shares: list[tuple[str, float]] = [
        (f"mirrors[{i}].percentage.value", m.percentage.value) for i, m in enumerate(rule.mirrors) if m.percentage
    ]
    if rule.mirror and rule.mirror_percentage is not None:
        shares.append(("mirrorPercentage.value", rule.mirror_percentage.value))
    elif rule.mirror:
        shares += list(_deprecated(rule))[:1]
    for field, percent in shares:
        if percent >= 0 and millionths(percent) == 0:
            written = f"{Decimal(str(percent)):f}"  # as in the manifest: str() writes 1e-05
            rounded = f", rounded down from {written} % to millionths" if percent else ""
            message = f"the share of this mirror is 0 %{rounded}: nothing is mirrored"
            fix = "set a larger share, or remove the mirror"
            yield Finding(about, "MirrorNeverFires", message, f"{path}.{field}", Severity.WARNING, fix)


def _mirror_specs(rule: Rule) -> Iterator[tuple[FieldRef, str, istio.Destination, int]]:
    """Yield each mirror's rule, the field below it, its destination and its fraction in parts per MILLION."""
    if rule.spec.mirror:
        yield rule.mirror, "mirror", rule.spec.mirror, _fraction(rule.spec)
    for i, policy in enumerate(rule.spec.mirrors):
        fraction = MILLION if policy.percentage is None else millionths(policy.percentage.value)
        yield rule.mirrors, f"mirrors[{i}].destination", policy.destination, fraction


def _fraction(rule: istio.HTTPRoute) -> int:
    """Return the fraction of `mirror`: mirrorPercentage wins even when it is 0; unset is all requests (Istio)."""
    if rule.mirror_percentage is not None:
        return millionths(rule.mirror_percentage.value)
    for _, percent in _deprecated(rule):
        return millionths(percent)
    return MILLION


def _deprecated(rule: istio.HTTPRoute) -> Iterator[tuple[str, int]]:
    if rule.mirror_percent is not None:
        yield "mirrorPercent", rule.mirror_percent
    # Istio's CRD accepts this spelling too.
    if rule.mirror_percent_snake is not None:
        yield "mirror_percent", rule.mirror_percent_snake
