"""LocalityLoadBalancerSetting, ZoneAwareLoadBalancerSetting -> LocalityLb."""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import LocalityDistribution, LocalityLb
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.left_out import left_out
from mirrorplane.translators.istio.scalars import number_findings

_HUNDRED = 100
_SHARES = range(1, _HUNDRED + 1)
_SIZES = range(1, 1 << 32)
_TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")


def locality_lb_of(spec: istio.LocalityLbSetting | None) -> LocalityLb | None:
    """Return which localities are preferred."""
    if spec is None:
        return None
    return LocalityLb(
        enabled=spec.enabled is not False,
        distribute=tuple(LocalityDistribution(d.from_, tuple(d.to.items())) for d in spec.distribute),
        failover=tuple((f.from_, f.to) for f in spec.failover),
        failover_priority=spec.failover_priority,
    )


def zone_aware_lb_of(spec: istio.ZoneAwareLbSetting | None) -> LocalityLb | None:
    """Return which regions are preferred."""
    if spec is None:
        return None
    return LocalityLb(
        enabled=spec.enabled is not False,
        failover=tuple((f.from_, f.to) for f in spec.failover),
        failover_priority=spec.failover_priority,
        zone_aware=True,
    )


def zone_aware_lb_findings(about: Ref, path: str, spec: istio.ZoneAwareLbSetting | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and warn of what needs a proxy that knows its own service's endpoints."""
    if spec is None:
        return
    yield from _failover_findings(about, path, spec)
    for i, label in enumerate(spec.failover_priority):
        if label in _TOPOLOGY:
            message = f"{label} must not be used: regions, zones and subzones are handled automatically"
            yield Finding(about, "InvalidLocality", message, f"{path}.failoverPriority[{i}]")
    yield from number_findings(about, path, {"minClusterSize": spec.min_cluster_size}, _SIZES)
    if spec.enabled is not False:
        message = (
            "endpoints of the proxy's region are preferred, but those of its zone are not: Envoy would have to know the"
            " endpoints of the proxy's own service"
        )
        fix = "use localityLbSetting with outlierDetection to prefer zones"
        yield Finding(about, "FieldLeftOut", message, path, Severity.WARNING, fix)
    yield from left_out(
        about, path, {"minClusterSize": (spec.min_cluster_size, "endpoints of a zone are not preferred")}
    )


def locality_lb_findings(about: Ref, path: str, spec: istio.LocalityLbSetting | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if spec is None:
        return
    if spec.distribute and spec.failover:
        message = "can not simultaneously specify 'distribute' and 'failover'"
        yield Finding(about, "InvalidLocality", message, path)
    if spec.distribute and spec.failover_priority:
        message = "can not simultaneously specify 'distribute' and 'failoverPriority'"
        yield Finding(about, "InvalidLocality", message, path)
    yield from _distribute_findings(about, path, spec)
    yield from _failover_findings(about, path, spec)


def _failover_findings(
    about: Ref, path: str, spec: istio.LocalityLbSetting | istio.ZoneAwareLbSetting
) -> Iterator[Finding]:
    for i, failover in enumerate(spec.failover):
        failover_path = f"{path}.failover[{i}]"
        if failover.from_ == failover.to:
            message = f"locality lb failover settings must specify different regions, not {failover.from_} twice"
            yield Finding(about, "InvalidLocality", message, failover_path)
        for field, text in (("from", failover.from_), ("to", failover.to)):
            if not text or set(text) & {"/", "*"}:
                message = f"{text!r} is not a region: it must not be empty or contain '/' or '*'"
                yield Finding(about, "InvalidLocality", message, f"{failover_path}.{field}")
    for i, label in enumerate(spec.failover_priority):
        if not label or label.startswith("="):
            message = f"{label!r} is neither a label nor label=value"
            yield Finding(about, "InvalidLocality", message, f"{path}.failoverPriority[{i}]")


def _distribute_findings(about: Ref, path: str, spec: istio.LocalityLbSetting) -> Iterator[Finding]:
    for i, entry in enumerate(spec.distribute):
        entry_path = f"{path}.distribute[{i}]"
        if problem := _problem(entry.from_):
            yield Finding(about, "InvalidLocality", problem, f"{entry_path}.from")
        for target, weight in entry.to.items():
            if problem := _problem(target):
                yield Finding(about, "InvalidLocality", problem, f"{entry_path}.to[{target}]")
            if weight not in _SHARES:
                message = f"locality weight {weight} is not in 1..{_HUNDRED}"
                yield Finding(about, "InvalidLocality", message, f"{entry_path}.to[{target}]")
        if (total := sum(entry.to.values())) != _HUNDRED:
            yield Finding(about, "InvalidLocality", f"total locality weight {total} != {_HUNDRED}", f"{entry_path}.to")


def _problem(pattern: str) -> str:
    """Return what is wrong with `region/zone/subzone`; its last part may be a wildcard."""
    parts = pattern.split("/")
    if not all(parts) or len(parts) > 3:  # noqa: PLR2004 - the form has three parts
        return f"{pattern!r} is not of the form region/zone/subzone"
    if any("*" in part for part in parts[:-1]) or "*" in parts[-1][:-1]:
        return f"{pattern!r}: a wildcard is only allowed at the end"
    return ""
