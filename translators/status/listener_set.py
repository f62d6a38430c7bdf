"""The status of a ListenerSet."""

from mirrorplane.api.kinds.gateway_api.gateway import Gateway
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET, ListenerSet
from mirrorplane.api.meta import Object
from mirrorplane.api.status import FALSE, PROGRAMMED, Condition, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.gateway_api.attachment.listener_status import (
    accepted_condition,
    listener_sections,
    own_verdicts,
    programmed_condition,
)
from mirrorplane.translators.gateway_api.attachment.parents import serving_gateway
from mirrorplane.translators.gateway_api.gateway.listeners import (
    ListenerVerdict,
    allows_listener_sets,
    gateway_findings,
)
from mirrorplane.translators.gateway_api.references import not_allowed


def status(view: View, obj: Object[ListenerSet]) -> Status | None:
    """Return the status; None for a set that joins no Gateway, or one of another controller's class."""
    gateway = serving_gateway(view, obj.ref)
    if gateway is None:
        return None
    parent = view.get(gateway)
    if parent is not None and not allows_listener_sets(view, parent, obj.ref.namespace):
        message = not_allowed(gateway, obj.ref.namespace)
        refused = tuple(Condition(kind, FALSE, "NotAllowed", message) for kind in ("Accepted", PROGRAMMED))
        return Status(refused, lists=("listeners",))
    verdicts = own_verdicts(view, gateway, obj.ref)
    return Status(
        conditions=_conditions(view, parent, verdicts),
        lists=("listeners",),
        sections=tuple(listener_sections(view, obj.ref, verdicts)),
        served_by=gateway,
    )


def _conditions(
    view: View, parent: Object[Gateway] | None, verdicts: tuple[ListenerVerdict, ...]
) -> tuple[Condition, ...]:
    findings = tuple(gateway_findings(view, parent)) if parent is not None else ()
    if findings:
        message = findings[0].message
        return (
            Condition("Accepted", FALSE, "ParentNotAccepted", message),
            Condition(PROGRAMMED, FALSE, "ParentNotProgrammed", message),
        )
    accepted = accepted_condition(verdicts)
    return accepted, programmed_condition(verdicts, accepted)


REPORT = Report(kinds=(LISTENER_SET,), status=status)
