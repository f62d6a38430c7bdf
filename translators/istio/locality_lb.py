"""LocalityLoadBalancerSetting -> LocalityLb."""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import LocalityDistribution, LocalityLb
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref

_ALL = 100
_SHARES = range(1, _ALL + 1)


def nearness_of(said: istio.LocalityLbSetting | None) -> LocalityLb | None:
    """Return which localities are called from where."""
    if said is None:
        return None
    return LocalityLb(
        enabled=said.enabled is not False,
        distribute=tuple(LocalityDistribution(d.from_, tuple(d.to.items())) for d in said.distribute),
        failover=tuple((f.from_, f.to) for f in said.failover),
        failover_priority=said.failover_priority,
    )


def nearness_findings(about: Ref, path: str, said: istio.LocalityLbSetting | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if said is None:
        return
    if said.distribute and said.failover:
        message = "can not simultaneously specify 'distribute' and 'failover'"
        yield Finding(about, "InvalidLocality", message, path)
    if said.distribute and said.failover_priority:
        message = "can not simultaneously specify 'distribute' and 'failoverPriority'"
        yield Finding(about, "InvalidLocality", message, path)
    yield from _spread_findings(about, path, said)
    for i, failover in enumerate(said.failover):
        where = f"{path}.failover[{i}]"
        if failover.from_ == failover.to:
            message = f"locality lb failover settings must specify different regions, not {failover.from_} twice"
            yield Finding(about, "InvalidLocality", message, where)
        for field, text in (("from", failover.from_), ("to", failover.to)):
            if not text or set(text) & {"/", "*"}:
                message = f"{text!r} is no region: it must not be empty, nor have '/' or '*' in it"
                yield Finding(about, "InvalidLocality", message, f"{where}.{field}")
    for i, label in enumerate(said.failover_priority):
        if not label or label.startswith("="):
            message = f"{label!r} is neither a label nor label=value"
            yield Finding(about, "InvalidLocality", message, f"{path}.failoverPriority[{i}]")


def _spread_findings(about: Ref, path: str, said: istio.LocalityLbSetting) -> Iterator[Finding]:
    for i, spread in enumerate(said.distribute):
        where = f"{path}.distribute[{i}]"
        if problem := _problem(spread.from_):
            yield Finding(about, "InvalidLocality", problem, f"{where}.from")
        for to, weight in spread.to.items():
            if problem := _problem(to):
                yield Finding(about, "InvalidLocality", problem, f"{where}.to[{to}]")
            if weight not in _SHARES:
                message = f"locality weight {weight} is not in 1..{_ALL}"
                yield Finding(about, "InvalidLocality", message, f"{where}.to[{to}]")
        if (total := sum(spread.to.values())) != _ALL:
            yield Finding(about, "InvalidLocality", f"total locality weight {total} != {_ALL}", f"{where}.to")


def _problem(pattern: str) -> str:
    """Say what is wrong with `region/zone/subzone`, any part of which can be `*` when all after it is left out."""
    parts = pattern.split("/")
    if not all(parts) or len(parts) > 3:  # noqa: PLR2004 - the form has three parts
        return f"{pattern!r} is not of the form region/zone/subzone"
    if any("*" in part for part in parts[:-1]) or "*" in parts[-1][:-1]:
        return f"{pattern!r}: a wildcard can only stand at the end"
    return ""
