"""kgateway's TrafficPolicy: read by routes for the Host of their mirrors. Other settings are reported as errors."""

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
from mirrorplane.translators.gateway_api.attachment.traffic_policies import (
    UNSUPPORTED_FIELD,
    applies_here,
    selection_of,
    unsupported_fields,
)
from mirrorplane.translators.gateway_api.references import group_name

Policy = Object[TrafficPolicy]
_KINDS = ("Gateway", "HTTPRoute", "GRPCRoute", "ListenerSet")


def lower(view: View, obj: Policy) -> Lowered:
    """Return findings about its targets, and about what is not supported of a policy that applies here."""
    unsupported = tuple(_unsupported_fields(obj)) if applies_here(view, obj) else ()
    return Lowered(
        unenforced=(selection_of(obj),) if unsupported else (), findings=(*_missing_targets(view, obj), *unsupported)
    )


def validate(obj: Policy) -> Iterator[Finding]:
    """Report unsupported targets, and a host that Envoy would reject."""
    yield from _target_findings(obj.ref, "spec.targetRefs", obj.spec.target_refs)
    yield from _target_findings(obj.ref, "spec.targetSelectors", obj.spec.target_selectors)
    mirror = obj.spec.request_mirror
    if mirror is not None and (problem := text_problem(mirror.host_rewrite_literal)):
        yield Finding(obj.ref, "InvalidHostname", problem, "spec.requestMirror.hostRewriteLiteral")


def _target_findings(about: Ref, path: str, targets: Sequence[Targeted]) -> Iterator[Finding]:
    for i, target in enumerate(targets):
        if target.group != GROUP or target.kind not in _KINDS:
            message = f"{target.kind} of {group_name(target.group)} is not supported as a target"
            fix = f"use one of {', '.join(_KINDS)} of {GROUP}"
            yield Finding(about, "InvalidTarget", message, f"{path}[{i}].kind", fix=fix)


def _unsupported_fields(obj: Policy) -> Iterator[Finding]:
    for field, effect in unsupported_fields(obj):
        message = f"{field} is not supported: {effect}"
        fix = "remove it, or let kgateway's own controller serve the targets"
        yield Finding(obj.ref, UNSUPPORTED_FIELD, message, f"spec.{field}", fix=fix)


def _missing_targets(view: View, obj: Policy) -> Iterator[Finding]:
    for i, ref in enumerate(obj.spec.target_refs):
        target = Ref(f"{ref.group}/{ref.kind}", obj.ref.namespace, ref.name)
        if view.get(target) is None:
            message, fix = f"{target} not found; the policy has no effect on it", "correct the name, or create it"
            yield Finding(obj.ref, "TargetNotFound", message, f"spec.targetRefs[{i}].name", Severity.WARNING, fix)


INPUT = Input(
    kinds=(TRAFFIC_POLICY,),
    lower=lower,
    validate=validate,
    indexes={"shadow.policies": target_keys},
)
