"""The status of a Gateway."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.status import PROGRAMMED, TRUE, Condition, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.attachment.listener_status import accepted, not_programmed, of_owner, sections
from mirrorplane.translators.gateway_api.conditions import GATEWAY, negative, positive
from mirrorplane.translators.gateway_api.gateway.classes import profile
from mirrorplane.translators.gateway_api.gateway.listeners import gateway_problems, judged


def status(view: View, obj: Object[gw.Gateway]) -> Status | None:
    """Return the status; None for a Gateway of another controller's class."""
    if profile(view, obj.spec.gateway_class_name) is None:
        return None
    verdicts = of_owner(view, obj.ref, obj.ref)
    found = findings_about(view, obj.ref)
    said = [finding for finding in found if not finding.path.startswith("spec.listeners")]
    valid = positive("Accepted", GATEWAY["Accepted"], said)
    valid = accepted(verdicts) if valid.status == TRUE else valid
    serves = any(one.served for one in verdicts)
    programmed = Condition(PROGRAMMED, TRUE, PROGRAMMED)
    if not serves:
        programmed = not_programmed(valid)
    return Status(
        conditions=(valid, programmed, *_others(obj, said)),
        facts={"attachedListenerSets": len(_joined(view, obj))},
        lists=("listeners",),
        sections=tuple(sections(view, obj.ref, verdicts)),
        addresses=tuple(one.value for one in obj.spec.addresses),
    )


def _joined(view: View, obj: Object[gw.Gateway]) -> set[Ref]:
    """Return the ListenerSets that are accepted: those with a listener that is, at a Gateway that could be served."""
    if any(gateway_problems(obj)):
        return set()
    return {one.listener.owner for one in view.memo(judged, obj.ref) if one.accepted} - {obj.ref}


def _others(obj: Object[gw.Gateway], said: list[Finding]) -> Iterator[Condition]:
    """Yield what is only said of a Gateway that asks for it."""
    if obj.spec.tls.backend is not None:
        yield positive("ResolvedRefs", GATEWAY["ResolvedRefs"], said)
    yield from negative("InsecureFrontendValidationMode", GATEWAY["InsecureFrontendValidationMode"], said)


REPORT = Report(kinds=(gw.GATEWAY,), status=status)
