"""The status of a ListenerSet."""

from mirrorplane.api.kinds.gateway_api.gateway import Gateway
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET, ListenerSet
from mirrorplane.api.meta import Object
from mirrorplane.api.status import FALSE, PROGRAMMED, TRUE, Condition, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.gateway_api.attachment.listener_status import accepted, not_programmed, of_owner, sections
from mirrorplane.translators.gateway_api.attachment.parents import served_by
from mirrorplane.translators.gateway_api.gateway.listeners import Verdict, gateway_problems, is_admitted


def status(view: View, obj: Object[ListenerSet]) -> Status | None:
    """Return the status; None for a set that joins no Gateway, or one of another controller's class."""
    gateway = served_by(view, obj.ref)
    if gateway is None:
        return None
    parent = view.get(gateway)
    if parent is not None and not is_admitted(view, parent, obj.ref.namespace):
        message = f"{gateway} lets no ListenerSets of namespace {obj.ref.namespace} join"
        refused = tuple(Condition(kind, FALSE, "NotAllowed", message) for kind in ("Accepted", PROGRAMMED))
        return Status(refused, lists=("listeners",))
    verdicts = of_owner(view, gateway, obj.ref)
    return Status(
        conditions=_conditions(parent, verdicts),
        lists=("listeners",),
        sections=tuple(sections(view, obj.ref, verdicts)),
        served_by=gateway,
    )


def _conditions(parent: Object[Gateway] | None, verdicts: tuple[Verdict, ...]) -> tuple[Condition, ...]:
    problems = tuple(gateway_problems(parent)) if parent is not None else ()
    if problems:
        said = problems[0].message
        return (
            Condition("Accepted", FALSE, "ParentNotAccepted", said),
            Condition(PROGRAMMED, FALSE, "ParentNotProgrammed", said),
        )
    valid = accepted(verdicts)
    return valid, _programmed(valid, serves=any(one.served for one in verdicts))


def _programmed(valid: Condition, *, serves: bool) -> Condition:
    if serves:
        return Condition(PROGRAMMED, TRUE, PROGRAMMED)
    return not_programmed(valid)


REPORT = Report(kinds=(LISTENER_SET,), status=status)
