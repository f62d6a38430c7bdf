"""Istio DestinationRule -> TrafficPolicy."""

from collections import Counter
from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import fqdn, host_problem
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.mesh import Lowered, Resolution
from mirrorplane.api.meta import Object
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.traffic_policy import Subset, TrafficPolicy
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.annotations import annotation_findings
from mirrorplane.translators.istio.exports import export_findings
from mirrorplane.translators.istio.selectors import selector_findings
from mirrorplane.translators.istio.traffic_policy import Blocks, layer_of, policy_advice, policy_findings
from mirrorplane.translators.lookups import services as visible
from mirrorplane.translators.lookups.partial_wildcards import with_partial
from mirrorplane.translators.settings import mesh

_SAME_NAMESPACE = "."
_SAME_NAMESPACE_ONLY = (_SAME_NAMESPACE,)


def lower(view: View, obj: Object[istio.DestinationRule]) -> Lowered:
    """Return the policy; the host's short name is completed with the rule's own namespace (Istio).

    A rule with workloadSelector applies to its own namespace only.
    """
    spec = obj.spec
    policy = TrafficPolicy(
        host=fqdn(spec.host, obj.ref.namespace),
        namespace=obj.ref.namespace,
        ref=obj.ref,
        subsets=tuple(_subset(s) for s in spec.subsets),
        export_to=_SAME_NAMESPACE_ONLY
        if spec.workload_selector
        else spec.export_to or view.memo(mesh).policies_export_to,
        created=obj.created,
        layer=None if spec.traffic_policy is None else layer_of(spec.traffic_policy),
        client_labels=tuple(sorted(spec.workload_selector.match_labels.items())) if spec.workload_selector else (),
    )
    advice = [f for path, policy_spec in _policies(spec) for f in policy_advice(obj.ref, path, policy_spec)]
    return Lowered(policies=(policy,), findings=(*advice, *_locality_findings(view, obj, policy.host)))


def validate(obj: Object[istio.DestinationRule]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if problem := host_problem(obj.spec.host):
        yield Finding(obj.ref, "InvalidHost", problem, "spec.host")
    yield from _subset_findings(obj)
    if obj.spec.workload_selector is not None:
        yield from selector_findings(obj.ref, "spec.workloadSelector", obj.spec.workload_selector.match_labels)
    yield from _export_findings(obj)
    yield from annotation_findings(obj)
    default = obj.spec.traffic_policy
    ejects = default is not None and default.outlier_detection is not None
    for path, policy in _policies(obj.spec):
        yield from policy_findings(obj.ref, path, policy, ejects=ejects)


def _locality_findings(view: View, obj: Object[istio.DestinationRule], host: str) -> Iterator[Finding]:
    """Warn that addresses from DNS have no locality, for the host or those that a wildcard covers."""
    paths = [f"{path}.loadBalancer.{field}" for path, block in _blocks(obj.spec) for field in _locality_fields(block)]
    visibility = Visibility(obj.ref.namespace)
    hosts = _covered(view, visibility, host) if paths else []
    services = (view.memo(visible.find_service, visibility, name) for name in hosts)
    resolved = [s.host for s in services if s and s.resolution in {Resolution.DNS, Resolution.DNS_ROUND_ROBIN}]
    if resolved:
        more = f" and {len(resolved) - 1} more" if len(resolved) > 1 else ""
        message = (
            f"the addresses of {resolved[0]}{more} come from DNS without locality:"
            f" {paths[0].rpartition('.')[2]} has no effect"
        )
        yield Finding(obj.ref, "LocalityLeftOut", message, paths[0], Severity.WARNING)


def _covered(view: View, visibility: Visibility, host: str) -> tuple[str, ...]:
    return visible.covered_hosts(view, visibility, host) if host.startswith("*") else (host,)


def _subset(spec: istio.Subset) -> Subset:
    labels = tuple(sorted(spec.labels.items()))
    return (
        Subset(spec.name, labels, layer_of(spec.traffic_policy)) if spec.traffic_policy else Subset(spec.name, labels)
    )


def _policies(spec: istio.DestinationRule) -> Iterator[tuple[str, istio.TrafficPolicy]]:
    """Yield every traffic policy of a rule with its path."""
    if spec.traffic_policy is not None:
        yield "spec.trafficPolicy", spec.traffic_policy
    for i, subset in enumerate(spec.subsets):
        if subset.traffic_policy is not None:
            yield f"spec.subsets[{i}].trafficPolicy", subset.traffic_policy


def _blocks(spec: istio.DestinationRule) -> Iterator[tuple[str, Blocks]]:
    """Yield the policies for all ports and for single ports, each with its path."""
    for path, policy in _policies(spec):
        yield path, policy
        yield from ((f"{path}.portLevelSettings[{i}]", port) for i, port in enumerate(policy.port_level_settings))


def _subset_findings(obj: Object[istio.DestinationRule]) -> Iterator[Finding]:
    names = Counter(s.name for s in obj.spec.subsets)
    for i, subset in enumerate(obj.spec.subsets):
        if set(subset.name) & {".", "*"} or host_problem(subset.name):
            message = f"subset name is invalid: {subset.name!r} is not a DNS label"
            yield Finding(obj.ref, "InvalidSubset", message, f"spec.subsets[{i}].name")
        elif names[subset.name] > 1:
            # Reported once for a name, and not for each of its subsets.
            names[subset.name] = 0
            message = f"duplicate subset names: {subset.name}"
            yield Finding(obj.ref, "DuplicateSubset", message, f"spec.subsets[{i}].name", fix="name each subset once")


def _export_findings(obj: Object[istio.DestinationRule]) -> Iterator[Finding]:
    export_to = obj.spec.export_to
    yield from export_findings(obj.ref, export_to)
    if obj.spec.workload_selector is not None and set(export_to) - {_SAME_NAMESPACE, obj.ref.namespace}:
        message = "destination rule with workload selector cannot have exportTo beyond current namespace"
        yield Finding(obj.ref, "InvalidExportTo", message, "spec.exportTo", fix="remove exportTo")


def _host(obj: Object[istio.DestinationRule]) -> Iterable[str]:
    return with_partial((fqdn(obj.spec.host, obj.ref.namespace),))


def _uses_localities(obj: Object[istio.DestinationRule]) -> Iterable[str]:
    """Index rules that may prefer near endpoints. Istio: outlier detection turns that on."""
    return ("*",) if any(block.outlier_detection or _locality_fields(block) for _, block in _blocks(obj.spec)) else ()


def _locality_fields(block: Blocks) -> list[str]:
    """Return the fields of a load balancer's settings that depend on localities."""
    if block.load_balancer is None:
        return []
    settings = {
        "localityLbSetting": block.load_balancer.locality_lb_setting,
        "zoneAwareLbSetting": block.load_balancer.zone_aware_lb_setting,
    }
    return [field for field, setting in settings.items() if setting is not None]


def _has_clients(obj: Object[istio.DestinationRule]) -> Iterable[str]:
    selector = obj.spec.workload_selector
    return ("*",) if selector is not None and selector.match_labels else ()


def _names_secret(obj: Object[istio.DestinationRule]) -> Iterable[str]:
    return ("*",) if any(block.tls and block.tls.credential_name for _, block in _blocks(obj.spec)) else ()


INPUT = Input(
    kinds=(istio.DESTINATION_RULE,),
    lower=lower,
    validate=validate,
    indexes={
        "policy.host": _host,
        "policy.locality": _uses_localities,
        "policy.clients": _has_clients,
        "policy.credential": _names_secret,
    },
)
