"""The findings about manifests that serve nothing: those about objects, and those about drafts of rejected ones.

See decision 0136.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.manifests.drafts import Draft
from mirrorplane.controlplane.sources.changes import Batch, Change
from mirrorplane.controlplane.sources.source import Locate, Location
from mirrorplane.translators.lookups.endpoints import port_endpoints
from mirrorplane.translators.sidecars.findings import no_address, unresolved_services

if TYPE_CHECKING:
    from mirrorplane.controlplane.plane import Plane

_INTERNAL_ERROR = "InternalError"


async def findings_with_drafts(plane: "Plane", drafts: Iterable[Draft], locate: Locate) -> list[Finding]:
    """Put drafts beside the objects of a plane without proxies, and return the findings, by file and line.

    Which proxies will come is not known, so what depends on it is said with that condition.

    Of drafts, only what cannot come from a gap. Of objects, only what is reported without the drafts, too, and is not
    resolved by one: a draft is what refers to it, and decides nothing. `locate` is the source's.
    """
    before = (*plane.findings.all(), *_unreachable_without_interception(plane, locate))
    usable = {draft.object.ref: draft for draft in drafts if _can_be_lowered(plane, draft)}
    if not usable:
        return _sorted(before)
    await plane.update(Batch(tuple(Change(ref, draft.object) for ref, draft in sorted(usable.items()))))
    reported, findings = set(before), []
    for finding in (*plane.findings.all(), *_unreachable_without_interception(plane, locate)):
        draft = usable.get(finding.about)
        if finding in reported:
            findings.append(finding)
        elif draft is not None and _is_certain(finding, draft):
            findings.append(_located(finding, locate))
    return _sorted(findings)


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.file, finding.line))


def _unreachable_without_interception(plane: "Plane", locate: Locate) -> list[Finding]:
    """Return what sidecars without interception would not reach: where any connect, `serve` says which."""
    entries = unresolved_services(plane.engine.view)
    return [_located(no_address(ref, services, "others"), locate) for ref, services in entries]


def _located(finding: Finding, locate: Locate) -> Finding:
    file, line = locate(finding.about, finding.path) or Location("")
    return msgspec.structs.replace(finding, file=file, line=line)


def services_without_workloads(plane: "Plane") -> list[Ref]:
    """Return the Kubernetes Services with a selector that selects nothing, and no endpoints of their own."""
    view = plane.engine.view
    return [
        service.ref
        for ref in sorted(plane.snapshot.objects)
        if ref.kind == "Service"
        for service in view.lowered(ref).services
        if service.selector and not any(port_endpoints(view, service, port) for port in service.ports)
    ]


def _is_certain(finding: Finding, draft: Draft) -> bool:
    is_error = finding.severity is Severity.ERROR and finding.reason != _INTERNAL_ERROR
    return is_error and not draft.is_near_gap(finding.path)


def _can_be_lowered(plane: "Plane", draft: Draft) -> bool:
    """Tell whether a draft can be translated. Translators are for valid objects only: what fails here is no bug."""
    obj = draft.object
    try:
        catalogue().by_kind[obj.ref.kind].lower(plane.engine.view, obj)
    except Exception:
        return False
    return True
