"""The Host of mirrored requests: as the GatewayClass has it, unless a TrafficPolicy sets it (kgateway)."""

from collections.abc import Iterator, Sequence

import msgspec

from mirrorplane.api.kinds.kgateway.traffic_policy import (
    PolicySelector,
    PolicyTarget,
    RequestMirrorPolicy,
    Targeted,
    TrafficPolicy,
)
from mirrorplane.api.meta import AnyObject, Object
from mirrorplane.api.routes import Forward, Route
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.attachments import Attachment
from mirrorplane.translators.gateway_api.gateway.classes import gateway_profile

Policy = Object[TrafficPolicy]


class MirrorHost(msgspec.Struct, frozen=True):
    """How the Host of a mirrored request is made: with Envoy's `-shadow` appended, or `host` instead."""

    suffix: bool = False
    host: str = ""


def with_mirror_hosts(
    view: View, obj: AnyObject, attachment: Attachment, route: Route, rule_policy: RequestMirrorPolicy | None
) -> Route:
    """Return a route of an object with the Host that its mirrors have at a listener.

    A policy that the rule itself refers to (`rule_policy`) wins over those that target it from outside.
    """
    if not route.mirrors:
        return route
    mirror_host = _host_of(rule_policy) if rule_policy is not None else host_at(view, obj, attachment, route.name)
    return route.map_forwards(lambda forward: _with_host(forward, mirror_host))


def host_at(view: View, obj: AnyObject, attachment: Attachment, rule: str) -> MirrorHost:
    """Return how the Host of mirrors is made for a rule of a route at a listener.

    kgateway: of the policies that configure mirrors the one with the most specific target wins: the rule, the route,
    the listener, the Gateway or ListenerSet; of equal ones the oldest.
    """
    policy = next(_policies(view, obj, attachment, rule), None)
    return _class_default(view, attachment) if policy is None else _host_of(policy)


def policies_for(view: View, target: AnyObject, section: str) -> Iterator[Policy]:
    """Yield the policies that target an object, or a section of it, oldest first."""
    place = f"{target.ref.kind}|{target.ref.namespace}"
    by_ref = {obj.ref: obj for key in (target.ref.name, "") for obj in view.by("shadow.policies", f"{place}|{key}")}
    oldest = sorted(by_ref.values(), key=lambda obj: (obj.created, f"{obj.ref.namespace}/{obj.ref.name}"))
    yield from (
        obj for obj in oldest if any(_selects(policy_target, target, section) for policy_target in obj.spec.targets)
    )


def target_keys(obj: Policy) -> Iterator[str]:
    """Yield the keys of a policy in the index `shadow.policies`: each target, or for a selector its kind."""
    for target in obj.spec.targets:
        name = target.name if isinstance(target, PolicyTarget) else ""
        yield f"{target.group}/{target.kind}|{obj.ref.namespace}|{name}"


def _with_host(forward: Forward, mirror_host: MirrorHost) -> Forward:
    mirrors = (
        msgspec.structs.replace(mirror, shadow_suffix=mirror_host.suffix, host=mirror_host.host)
        for mirror in forward.mirrors
    )
    return msgspec.structs.replace(forward, mirrors=tuple(mirrors))


def _host_of(policy: RequestMirrorPolicy) -> MirrorHost:
    """Return what a policy sets. A literal host gets nothing appended."""
    host = policy.host_rewrite_literal
    return MirrorHost(suffix=not (policy.disable_shadow_host_suffix_append or host), host=host)


def _class_default(view: View, attachment: Attachment) -> MirrorHost:
    profile = gateway_profile(view, attachment.gateway)
    return MirrorHost(suffix=profile is not None and profile.shadow_suffix)


def _policies(view: View, obj: AnyObject, attachment: Attachment, rule: str) -> Iterator[RequestMirrorPolicy]:
    for target, sections in _targets(view, obj, attachment, rule):
        for section in sections:
            mirrors = (policy.spec.request_mirror for policy in policies_for(view, target, section))
            yield from (mirror for mirror in mirrors if mirror is not None)


def _targets(
    view: View, obj: AnyObject, attachment: Attachment, rule: str
) -> Iterator[tuple[AnyObject, Sequence[str]]]:
    """Yield what a policy for a rule may target, the most specific first, with the sections of each."""
    yield obj, ((rule, "") if rule else ("",))
    listener = attachment.listener
    for ref in dict.fromkeys((listener.parent, attachment.gateway)):
        parent = view.get(ref)
        if parent is not None:
            yield parent, ((listener.spec.name, "") if ref == listener.parent else ("",))


def _selects(policy_target: Targeted, target: AnyObject, section: str) -> bool:
    kind = f"{policy_target.group}/{policy_target.kind}"
    if (kind, policy_target.section_name) != (target.ref.kind, section):
        return False
    if isinstance(policy_target, PolicySelector):
        return policy_target.match_labels.items() <= target.labels.items()
    return isinstance(policy_target, PolicyTarget) and policy_target.name == target.ref.name
