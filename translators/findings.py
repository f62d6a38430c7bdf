"""All findings about one object: those of lowering it, and those of the checks on what it means.

This is the one stream: `check`, the log and `/debug/findings` report it, and status conditions are derived from it
(see decision 0087), so that none of them can contradict another. Nothing that lowers an object may read it: that would
be a dependency cycle.
"""

from collections.abc import Iterator
from functools import cache

from mirrorplane.api.finding import Finding
from mirrorplane.api.mesh import Lowered, Service
from mirrorplane.api.meta import Ref
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators import checks
from mirrorplane.translators.contract import Check, discover
from mirrorplane.translators.lookups.aliases import resolve_destinations


def findings_about(view: View, ref: Ref) -> tuple[Finding, ...]:
    """Return the findings about an object. For most objects there is nothing to check, and nothing is remembered."""
    lowered = view.lowered(ref)
    return view.memo(findings, ref) if is_checked(ref, lowered) else lowered.findings


def findings(view: View, ref: Ref) -> tuple[Finding, ...]:
    """Return the findings about an object in the order of the checks, each once. To be read by memo."""
    lowered = view.lowered(ref)
    tables = tuple(resolve_destinations(view, table) for table in lowered.tables)
    checked = (finding for check in _checks() for finding in _run(view, check, ref, lowered, tables))
    return tuple(dict.fromkeys((*lowered.findings, *checked)))


def is_checked(ref: Ref, lowered: Lowered) -> bool:
    """Tell whether any check applies to what an object means."""
    routing = lowered.tables or lowered.attachments or lowered.policies or lowered.gateways
    return bool(routing or lowered.sidecar_scopes or lowered.unenforced or _declared_services(ref, lowered))


def _run(view: View, check: Check, ref: Ref, lowered: Lowered, tables: tuple[RouteTable, ...]) -> Iterator[Finding]:
    for table in tables:
        yield from check.table(view, table)
    for attachment in lowered.attachments:
        yield from check.attachment(view, attachment)
    for policy in lowered.policies:
        yield from check.policy(view, policy)
    for gateway in lowered.gateways:
        yield from check.gateway(view, gateway)
    for service in _declared_services(ref, lowered):
        yield from check.service(view, service)
    for sidecar_scope in lowered.sidecar_scopes:
        yield from check.sidecar_scope(view, sidecar_scope)
    for unenforced in lowered.unenforced:
        yield from check.unenforced(view, unenforced)


def _declared_services(ref: Ref, lowered: Lowered) -> tuple[Service, ...]:
    """Return the services that are not Kubernetes' own, which have a kind without a group."""
    return lowered.services if "/" in ref.kind else ()


@cache
def _checks() -> tuple[Check, ...]:
    return tuple(discover(checks, "CHECK", Check).values())
