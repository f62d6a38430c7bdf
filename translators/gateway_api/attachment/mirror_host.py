"""The host of copies: as the class has it, unless a TrafficPolicy says how it is made (kgateway)."""

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
from mirrorplane.translators.gateway_api.gateway.classes import profile_at

Policy = Object[TrafficPolicy]


class Style(msgspec.Struct, frozen=True):
    """How a copy's host is made: with Envoy's `-shadow` appended, or `host` instead."""

    suffix: bool = False
    host: str = ""


def shadowed(view: View, obj: AnyObject, at: Attachment, route: Route, own: RequestMirrorPolicy | None = None) -> Route:
    """Return a route of an object at a listener with its copies' hosts as they have to be there.

    What its rule itself names (`own`) goes before all policies that are for it.
    """
    if not route.mirrors or not isinstance(route.action, Forward):
        return route
    said = said_style(own) if own is not None else style(view, obj, at, route.name)
    copies = tuple(
        msgspec.structs.replace(copy, shadow_suffix=said.suffix, host=said.host) for copy in route.action.mirrors
    )
    return msgspec.structs.replace(route, action=msgspec.structs.replace(route.action, mirrors=copies))


def style(view: View, obj: AnyObject, at: Attachment, rule: str) -> Style:
    """Return how copies are made for a rule of a route at a listener.

    kgateway: of the policies that speak of mirrors the one with the most specific target holds: the rule, the route,
    the listener, the Gateway or ListenerSet; of equal ones the oldest.
    """
    found = next(_policies(view, obj, at, rule), None)
    return _class_style(view, at) if found is None else said_style(found)


def said_style(said: RequestMirrorPolicy) -> Style:
    """Return what a policy says. A host of its own gets nothing appended."""
    host = said.host_rewrite_literal
    return Style(suffix=not (said.disable_shadow_host_suffix_append or host), host=host)


def policies_for(view: View, target: AnyObject, section: str) -> Iterator[Policy]:
    """Yield the policies for an object, or for a section of it, oldest first."""
    place = f"{target.ref.kind}|{target.ref.namespace}"
    found = {obj.ref: obj for key in (target.ref.name, "") for obj in view.by("shadow.policies", f"{place}|{key}")}
    oldest = sorted(found.values(), key=lambda obj: (obj.created, f"{obj.ref.namespace}/{obj.ref.name}"))
    yield from (obj for obj in oldest if any(_is_for(said, target, section) for said in obj.spec.targets))


def target_places(obj: Policy) -> Iterator[str]:
    """Yield the keys under which the index `shadow.policies` finds a policy: each target, or its kind."""
    for said in obj.spec.targets:
        name = said.name if isinstance(said, PolicyTarget) else ""
        yield f"{said.group}/{said.kind}|{obj.ref.namespace}|{name}"


def _class_style(view: View, at: Attachment) -> Style:
    found = profile_at(view, at.gateway)
    return Style(suffix=found is not None and found.shadow_suffix)


def _policies(view: View, obj: AnyObject, at: Attachment, rule: str) -> Iterator[RequestMirrorPolicy]:
    for target, sections in _targets_of(view, obj, at, rule):
        for section in sections:
            said = (policy.spec.request_mirror for policy in policies_for(view, target, section))
            yield from (one for one in said if one is not None)


def _targets_of(view: View, obj: AnyObject, at: Attachment, rule: str) -> Iterator[tuple[AnyObject, Sequence[str]]]:
    """Yield what a policy for a rule may be for, the most specific first, with the sections of each."""
    yield obj, ((rule, "") if rule else ("",))
    for owner in dict.fromkeys((at.listener.owner, at.gateway)):
        found = view.get(owner)
        if found is not None:
            yield found, ((at.listener.said.name, "") if owner == at.listener.owner else ("",))


def _is_for(said: Targeted, target: AnyObject, section: str) -> bool:
    if (f"{said.group}/{said.kind}", said.section_name) != (target.ref.kind, section):
        return False
    if isinstance(said, PolicySelector):
        return said.match_labels.items() <= target.labels.items()
    return isinstance(said, PolicyTarget) and said.name == target.ref.name
