"""The status of kgateway's TrafficPolicy: one entry for each Gateway that it holds at."""

from collections.abc import Iterator

from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.kinds.kgateway.traffic_policy import TRAFFIC_POLICY, PolicyTarget, TrafficPolicy
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.status import TRUE, Condition, Section, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.gateway_api.attachment.attachments import attached
from mirrorplane.translators.gateway_api.attachment.parents import served_by
from mirrorplane.translators.gateway_api.gateway.classes import profile_at

_MOST = 16


def status(view: View, obj: Object[TrafficPolicy]) -> Status | None:
    """Return the status; None where no target is at a Gateway that is served here."""
    found = dict.fromkeys(gateway for said in obj.spec.target_refs for gateway in _gateways(view, obj.ref, said))
    sections = tuple(filter(None, (_section(view, gateway) for gateway in list(found)[:_MOST])))
    return Status(lists=("ancestors",), sections=sections) if sections else None


def _gateways(view: View, about: Ref, said: PolicyTarget) -> Iterator[Ref]:
    target = Ref(f"{said.group}/{said.kind}", about.namespace, said.name)
    obj = view.get(target)
    if obj is None:
        return
    if target.kind in {GATEWAY.key, LISTENER_SET.key}:
        yield from filter(None, (served_by(view, target),))
    else:
        yield from (one.gateway for one in attached(view, obj))


def _section(view: View, gateway: Ref) -> Section | None:
    served = profile_at(view, gateway)
    if served is None:
        return None
    group, _, kind = gateway.kind.rpartition("/")
    named = {"group": group, "kind": kind, "namespace": gateway.namespace, "name": gateway.name}
    conditions = (Condition("Accepted", TRUE, "Valid"), Condition("Attached", TRUE, "Attached"))
    return Section("ancestors", {"ancestorRef": named, "controllerName": served.controller}, conditions)


REPORT = Report(kinds=(TRAFFIC_POLICY,), status=status)
