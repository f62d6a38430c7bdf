"""kgateway's TrafficPolicy: asked by routes for the host of their copies; alone it means nothing."""

from collections.abc import Iterator, Sequence

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.kgateway.traffic_policy import TRAFFIC_POLICY, Targeted, TrafficPolicy
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.formats import text_problem
from mirrorplane.translators.gateway_api.attachment.mirror_host import target_keys

Policy = Object[TrafficPolicy]
_KINDS = ("Gateway", "HTTPRoute", "GRPCRoute", "ListenerSet")


def lower(view: View, obj: Policy) -> Lowered:
    """Return only which of its targets there are not."""
    return Lowered(findings=tuple(_missing(view, obj)))


def validate(obj: Policy) -> Iterator[Finding]:
    """Refuse targets that cannot be, and a host that Envoy would not take."""
    yield from _target_findings(obj.ref, "spec.targetRefs", obj.spec.target_refs)
    yield from _target_findings(obj.ref, "spec.targetSelectors", obj.spec.target_selectors)
    said = obj.spec.request_mirror
    if said is not None and (problem := text_problem(said.host_rewrite_literal)):
        yield Finding(obj.ref, "InvalidHostname", problem, "spec.requestMirror.hostRewriteLiteral")


def _target_findings(about: Ref, path: str, targets: Sequence[Targeted]) -> Iterator[Finding]:
    for i, said in enumerate(targets):
        if said.group != GROUP or said.kind not in _KINDS:
            message = f"a {said.kind} of {said.group or 'the core group'} is no target of a TrafficPolicy"
            fix = f"name one of {', '.join(_KINDS)} of {GROUP}"
            yield Finding(about, "InvalidTarget", message, f"{path}[{i}].kind", fix=fix)


def _missing(view: View, obj: Policy) -> Iterator[Finding]:
    for i, said in enumerate(obj.spec.target_refs):
        target = Ref(f"{said.group}/{said.kind}", obj.ref.namespace, said.name)
        if view.get(target) is None:
            message, fix = f"there is no {target}: the policy does nothing there", "correct the name, or create it"
            yield Finding(obj.ref, "TargetNotFound", message, f"spec.targetRefs[{i}].name", Severity.WARNING, fix)


INPUT = Input(
    kinds=(TRAFFIC_POLICY,),
    lower=lower,
    validate=validate,
    indexes={"shadow.policies": target_keys},
)
