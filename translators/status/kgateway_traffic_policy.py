"""The status of kgateway's TrafficPolicy: one entry for each Gateway at which it applies."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.kinds.kgateway.traffic_policy import TRAFFIC_POLICY, TrafficPolicy
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.status import FALSE, TRUE, Condition, Section, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.attachment.attachments import attachments_of
from mirrorplane.translators.gateway_api.attachment.parents import serving_gateway
from mirrorplane.translators.gateway_api.attachment.traffic_policies import UNSUPPORTED_FIELD, targets_of
from mirrorplane.translators.gateway_api.conditions import positive
from mirrorplane.translators.gateway_api.gateway.classes import gateway_profile

_MAX_ANCESTORS = 16
"""The limit of the CRD."""


def status(view: View, obj: Object[TrafficPolicy]) -> Status | None:
    """Return the status; None when no target belongs to a Gateway that is served here."""
    gateways = dict.fromkeys(gateway for target in targets_of(view, obj) for gateway in _gateways(view, target))
    conditions = _conditions(obj, findings_about(view, obj.ref))
    sections = tuple(filter(None, (_section(view, ref, conditions) for ref in list(gateways)[:_MAX_ANCESTORS])))
    return Status(lists=("ancestors",), sections=sections) if sections else None


def _gateways(view: View, target: Ref) -> Iterator[Ref]:
    obj = view.get(target)
    if obj is None:
        return
    if target.kind in {GATEWAY.key, LISTENER_SET.key}:
        yield from filter(None, (serving_gateway(view, target),))
    else:
        yield from (attachment.gateway for attachment in attachments_of(view, obj))


def _conditions(obj: Object[TrafficPolicy], findings: tuple[Finding, ...]) -> tuple[Condition, ...]:
    """Return what kgateway's own controller writes, with its reasons for what is accepted and attached.

    A policy with fields that are not supported is not accepted. Its settings for mirrors apply all the same.
    """
    accepted = positive("Accepted", (UNSUPPORTED_FIELD,), findings)
    if accepted.status == TRUE:
        return Condition("Accepted", TRUE, "Valid"), Condition("Attached", TRUE, "Attached")
    if obj.spec.request_mirror is not None:
        return accepted, Condition("Attached", TRUE, "Attached", "requestMirror applies, other fields do not")
    return accepted, Condition("Attached", FALSE, "Pending", "none of its fields is supported")


def _section(view: View, gateway: Ref, conditions: tuple[Condition, ...]) -> Section | None:
    profile = gateway_profile(view, gateway)
    if profile is None:
        return None
    group, _, kind = gateway.kind.rpartition("/")
    ancestor = {"group": group, "kind": kind, "namespace": gateway.namespace, "name": gateway.name}
    return Section("ancestors", {"ancestorRef": ancestor, "controllerName": profile.controller}, conditions)


REPORT = Report(kinds=(TRAFFIC_POLICY,), status=status)
