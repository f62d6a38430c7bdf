"""The status of a Gateway."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.status import TRUE, Condition, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.attachment.listener_status import (
    accepted_condition,
    listener_sections,
    own_verdicts,
    programmed_condition,
)
from mirrorplane.translators.gateway_api.conditions import GATEWAY, negative, positive
from mirrorplane.translators.gateway_api.gateway.classes import class_profile
from mirrorplane.translators.gateway_api.gateway.listeners import gateway_findings, listener_verdicts


def status(view: View, obj: Object[gw.Gateway]) -> Status | None:
    """Return the status; None for a Gateway of another controller's class."""
    if class_profile(view, obj.spec.gateway_class_name) is None:
        return None
    verdicts = own_verdicts(view, obj.ref, obj.ref)
    findings = [f for f in findings_about(view, obj.ref) if not f.path.startswith("spec.listeners")]
    accepted = positive("Accepted", GATEWAY["Accepted"], findings)
    accepted = accepted_condition(verdicts) if accepted.status == TRUE else accepted
    return Status(
        conditions=(accepted, programmed_condition(verdicts, accepted), *_optional_conditions(obj, findings)),
        facts={"attachedListenerSets": len(_attached_sets(view, obj))},
        lists=("listeners",),
        sections=tuple(listener_sections(view, obj.ref, verdicts)),
        addresses=tuple(address.value for address in obj.spec.addresses),
    )


def _attached_sets(view: View, obj: Object[gw.Gateway]) -> set[Ref]:
    """Return the ListenerSets that are accepted: those with an accepted listener, at a Gateway that can be served."""
    if any(gateway_findings(view, obj)):
        return set()
    verdicts = view.memo(listener_verdicts, obj.ref)
    return {verdict.listener.parent for verdict in verdicts if verdict.accepted} - {obj.ref}


def _optional_conditions(obj: Object[gw.Gateway], findings: list[Finding]) -> Iterator[Condition]:
    """Yield the conditions that only exist for a Gateway with the settings that they are about."""
    if obj.spec.tls.backend is not None:
        yield positive("ResolvedRefs", GATEWAY["ResolvedRefs"], findings)
    yield from negative("InsecureFrontendValidationMode", GATEWAY["InsecureFrontendValidationMode"], findings)


REPORT = Report(kinds=(gw.GATEWAY,), status=status)
