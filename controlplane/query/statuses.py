"""The statuses of objects: those of Gateway API as they are written, and those of Istio's objects, made from findings.

Istio writes conditions to its objects only on request, and none that says which field is wrong. So these are ours: the
types are Gateway API's, the reasons are finding codes, and nothing is stored. See decision 0087.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio.destination_rule import DESTINATION_RULE
from mirrorplane.api.kinds.istio.gateway import GATEWAY
from mirrorplane.api.kinds.istio.service_entry import SERVICE_ENTRY
from mirrorplane.api.kinds.istio.sidecar import SIDECAR
from mirrorplane.api.kinds.istio.virtual_service import VIRTUAL_SERVICE
from mirrorplane.api.meta import Ref
from mirrorplane.api.status import FALSE, PROGRAMMED, TRUE, UNKNOWN, Condition
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.findings.nacks import REJECTED
from mirrorplane.controlplane.query.mirrors import mirror_rows
from mirrorplane.controlplane.query.objects import StatusRow, status_row
from mirrorplane.translators.status import has_status

if TYPE_CHECKING:
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.controlplane.xds.status import StreamStatus

_DERIVED = frozenset(kind.key for kind in (VIRTUAL_SERVICE, DESTINATION_RULE, GATEWAY, SERVICE_ENTRY, SIDECAR))
"""The kinds whose status is derived from findings. Workloads are left out: there are as many as Pods."""
_UNRESOLVED = ("NotFound", "NotCallable")
"""How the codes of findings about references end."""
_UNDELIVERED = frozenset((REJECTED, "ListenerNotOpened", "CredentialNotSent"))
"""The codes of findings that come with proxies: the object is accepted, and not served by them."""
_MOST_EXAMPLES = 3


def status_types() -> list[str]:
    """Return the types of objects that have a status, in lower case."""
    kinds = (kind for kind in catalogue().kinds if kind.key in _DERIVED or has_status(Ref(kind.key, "", "")))
    return sorted({kind.name.lower() for kind in kinds})


def status_rows(
    plane: "Plane", written: Iterable[tuple[Ref, Mapping[str, Any]]], streams: "Sequence[StreamStatus] | None"
) -> list[StatusRow]:
    """Return a row for each object with a status, ordered by Ref. Work for CooperativeExecutor.

    `written` are the statuses that are stored. `streams` are those of the connected proxies; None: no running control
    plane could tell.
    """
    view, objects, paced = plane.engine.view, plane.snapshot.objects, plane.executor.paced
    findings: defaultdict[Ref, list[Finding]] = defaultdict(list)
    for finding in paced(plane.findings.all()):
        findings[finding.about].append(finding)
    statuses = {ref: status for ref, status in written if ref in objects}
    delivered = _delivered(streams)
    rejected_refs = (ref for ref in findings if ref.kind in _DERIVED)
    served_refs = (ref for ref in paced(objects) if ref.kind in _DERIVED)
    for ref in dict.fromkeys((*served_refs, *rejected_refs)):
        statuses[ref] = {"conditions": _plain(_conditions(findings[ref], delivered, served=ref in objects))}
    return [
        status_row(ref, objects.get(ref), statuses[ref], mirror_rows(view, ref, findings[ref]))
        for ref in paced(sorted(statuses))
    ]


def _conditions(findings: Sequence[Finding], delivered: Condition, *, served: bool) -> list[Condition]:
    """Return the conditions of an object. One that is rejected before it is stored has no other than Accepted."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    unresolved = [finding for finding in errors if finding.reason.endswith(_UNRESOLVED)]
    undelivered = [finding for finding in errors if finding.reason in _UNDELIVERED]
    others = [finding for finding in errors if finding not in unresolved and finding not in undelivered]
    accepted = _condition("Accepted", others, "Accepted")
    if not served:
        return [accepted]
    programmed = _condition(PROGRAMMED, undelivered, PROGRAMMED)
    return [
        accepted,
        _condition("ResolvedRefs", unresolved, "ResolvedRefs"),
        delivered if programmed.status == TRUE else programmed,
    ]


def _condition(name: str, errors: Sequence[Finding], reason: str) -> Condition:
    if not errors:
        return Condition(name, TRUE, reason)
    sentences = (f"{error.path}: {error.message}" if error.path else error.message for error in errors)
    return Condition(name, FALSE, errors[0].reason, "; ".join(dict.fromkeys(sentences)))


def _delivered(streams: "Sequence[StreamStatus] | None") -> Condition:
    """Return whether every connected proxy has answered all that it was sent."""
    if streams is None:
        return Condition(PROGRAMMED, UNKNOWN, "Pending", "only a running control plane knows what proxies accept")
    if not streams:
        return Condition(PROGRAMMED, FALSE, "Pending", "no proxy is connected")
    proxies = {stream.proxy.id for stream in streams}
    waiting = list(dict.fromkeys(f"{s.proxy.name}.{s.proxy.namespace}" for s in streams if not s.settled))
    if waiting:
        examples = ", ".join(waiting[:_MOST_EXAMPLES])
        message = f"{len(waiting)} of {len(proxies)} proxies have not accepted the last update yet: {examples}"
        return Condition(PROGRAMMED, FALSE, "Pending", message)
    return Condition(PROGRAMMED, TRUE, PROGRAMMED)


def _plain(conditions: Iterable[Condition]) -> list[Mapping[str, str]]:
    return [{"type": c.type, "status": c.status, "reason": c.reason, "message": c.message} for c in conditions]
