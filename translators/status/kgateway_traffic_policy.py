"""The status of kgateway's TrafficPolicy: one entry for each Gateway at which it applies."""

from collections.abc import Iterator

from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.kinds.kgateway.traffic_policy import TRAFFIC_POLICY, PolicyTarget, TrafficPolicy
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.status import TRUE, Condition, Section, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.gateway_api.attachment.attachments import attachments_of
from mirrorplane.translators.gateway_api.attachment.parents import serving_gateway
from mirrorplane.translators.gateway_api.gateway.classes import gateway_profile

_MAX_ANCESTORS = 16
"""The limit of the CRD."""


def status(view: View, obj: Object[TrafficPolicy]) -> Status | None:
    """Return the status; None when no target belongs to a Gateway that is served here."""
    gateways = dict.fromkeys(gateway for ref in obj.spec.target_refs for gateway in _gateways(view, obj.ref, ref))
    sections = tuple(filter(None, (_section(view, gateway) for gateway in list(gateways)[:_MAX_ANCESTORS])))
    return Status(lists=("ancestors",), sections=sections) if sections else None


def _gateways(view: View, about: Ref, ref: PolicyTarget) -> Iterator[Ref]:
    target = Ref(f"{ref.group}/{ref.kind}", about.namespace, ref.name)
    obj = view.get(target)
    if obj is None:
        return
    if target.kind in {GATEWAY.key, LISTENER_SET.key}:
        yield from filter(None, (serving_gateway(view, target),))
    else:
        yield from (attachment.gateway for attachment in attachments_of(view, obj))


def _section(view: View, gateway: Ref) -> Section | None:
    profile = gateway_profile(view, gateway)
    if profile is None:
        return None
    group, _, kind = gateway.kind.rpartition("/")
    ancestor = {"group": group, "kind": kind, "namespace": gateway.namespace, "name": gateway.name}
    # kgateway's own controller writes these two, with these reasons.
    conditions = (Condition("Accepted", TRUE, "Valid"), Condition("Attached", TRUE, "Attached"))
    return Section("ancestors", {"ancestorRef": ancestor, "controllerName": profile.controller}, conditions)


REPORT = Report(kinds=(TRAFFIC_POLICY,), status=status)
