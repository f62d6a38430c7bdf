"""Istio Sidecar -> SidecarScope."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import sidecar as istio
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import AnyObject, Labels, Object
from mirrorplane.api.sidecar_scope import SidecarScope
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.egress import egress_findings, egress_of, policy_findings
from mirrorplane.translators.istio.ingress import inbound_pool_findings, inbound_pool_of, ingress_findings, ingress_of
from mirrorplane.translators.istio.references import destination_of
from mirrorplane.translators.istio.selectors import selector_findings

_EVERYTHING = istio.EgressListener(hosts=("*/*",))
_FORWARDER = "spec.outboundTrafficPolicy.egressProxy"


def lower(_: View, obj: Object[istio.Sidecar]) -> Lowered:
    """Return the scope of the selected proxies. Without egress they see everything, as without a Sidecar.

    Nothing else is read here, and advice about a Sidecar is a check: all that a proxy is served rests on its Sidecar,
    so whatever is read to lower it would have all of that looked at again with every change there.
    """
    spec, policy = obj.spec, obj.spec.outbound_traffic_policy
    forwarder = policy.egress_proxy if policy else None
    sidecar_scope = SidecarScope(
        ref=obj.ref,
        clients=_labels(obj),
        created=obj.created,
        egress=tuple(egress_of(listener) for listener in spec.egress or (_EVERYTHING,)),
        allow_any=policy.mode == "ALLOW_ANY" if policy else None,
        forwarder=destination_of(obj.ref, _FORWARDER, forwarder) if forwarder else None,
        ingress=tuple(ingress_of(listener) for listener in spec.ingress),
        pool=inbound_pool_of(spec.inbound_connection_pool),
    )
    return Lowered(sidecar_scopes=(sidecar_scope,))


def validate(obj: Object[istio.Sidecar]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and unsupported features."""
    spec = obj.spec
    if spec == istio.Sidecar(workload_selector=spec.workload_selector):
        yield Finding(obj.ref, "EmptyConfiguration", "sidecar: empty configuration provided", "spec")
    yield from _selector_findings(obj)
    yield from egress_findings(obj.ref, spec.egress)
    yield from policy_findings(obj.ref, spec.outbound_traffic_policy)
    yield from ingress_findings(obj.ref, spec.ingress)
    yield from inbound_pool_findings(obj.ref, "spec.inboundConnectionPool", spec.inbound_connection_pool)


def _selector_findings(obj: Object[istio.Sidecar]) -> Iterator[Finding]:
    path = "spec.workloadSelector"
    if obj.spec.workload_selector is not None and not _labels(obj):
        message = "workload selector specified without labels: the Sidecar applies to all workloads of the namespace"
        yield Finding(obj.ref, "EmptySelector", message, path, Severity.WARNING)
    yield from selector_findings(obj.ref, path, dict(_labels(obj)))


def _labels(obj: AnyObject) -> Labels:
    selector = obj.spec.workload_selector
    return tuple(sorted(selector.labels.items())) if selector else ()


def _places(obj: Object[istio.Sidecar]) -> Iterable[str]:
    return ("*", obj.ref.namespace)


INPUT = Input(kinds=(istio.SIDECAR,), lower=lower, validate=validate, indexes={"sidecar_scopes": _places})
