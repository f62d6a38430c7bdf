"""Everything we have to say about one object: what lowering it found, and what the checks find in what it means."""

from collections.abc import Iterator
from functools import cache

from mirrorplane.api.finding import Finding
from mirrorplane.api.mesh import Lowered, Service
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators import checks
from mirrorplane.translators.contract import Check, discover


def findings(view: View, ref: Ref) -> tuple[Finding, ...]:
    """Return the findings about an object, in the order of the checks, each once."""
    said = view.lowered(ref)
    return tuple(dict.fromkeys((*said.findings, *(f for check in _checks() for f in _of(view, check, ref, said)))))


def is_checked(ref: Ref, said: Lowered) -> bool:
    """Tell whether any check has something to look at in what an object means."""
    return bool(said.tables or said.policies or said.gateways or said.sidecar_scopes or _declared(ref, said))


def _of(view: View, check: Check, ref: Ref, said: Lowered) -> Iterator[Finding]:
    for table in said.tables:
        yield from check.table(view, table)
    for policy in said.policies:
        yield from check.policy(view, policy)
    for gateway in said.gateways:
        yield from check.gateway(view, gateway)
    for service in _declared(ref, said):
        yield from check.service(view, service)
    for sidecar_scope in said.sidecar_scopes:
        yield from check.sidecar_scope(view, sidecar_scope)


def _declared(ref: Ref, said: Lowered) -> tuple[Service, ...]:
    """Return the services that are not Kubernetes' own."""
    return said.services if "/" in ref.kind else ()


@cache
def _checks() -> tuple[Check, ...]:
    return tuple(discover(checks, "CHECK", Check).values())
