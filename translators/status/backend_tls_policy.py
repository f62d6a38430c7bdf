"""The status of a BackendTLSPolicy: one entry for each Gateway through which it is used."""

from collections.abc import Iterator

from mirrorplane.api.kinds.gateway_api.backend_tls_policy import BACKEND_TLS_POLICY, BackendTLSPolicy
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.status import Condition, Section, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.attachment.attachments import attachments_of
from mirrorplane.translators.gateway_api.conditions import BACKEND_TLS, positive
from mirrorplane.translators.gateway_api.gateway.classes import gateway_profile

_MAX_ANCESTORS = 16
"""The limit of the CRD."""


def status(view: View, obj: Object[BackendTLSPolicy]) -> Status | None:
    """Return the status; None when no route of a Gateway that is served here sends or mirrors to a target."""
    findings = findings_about(view, obj.ref)
    conditions = tuple(positive(kind, reasons, findings) for kind, reasons in BACKEND_TLS.items())
    sections = tuple(_sections(view, ancestors(view, obj)[:_MAX_ANCESTORS], conditions))
    return Status(lists=("ancestors",), sections=sections) if sections else None


def _sections(view: View, gateways: tuple[Ref, ...], conditions: tuple[Condition, ...]) -> Iterator[Section]:
    """Yield an entry for each Gateway, all with the same conditions."""
    for ref in gateways:
        profile = gateway_profile(view, ref)
        if profile is not None:
            group, _, kind = ref.kind.rpartition("/")
            ancestor = {"group": group, "kind": kind, "namespace": ref.namespace, "name": ref.name}
            yield Section("ancestors", {"ancestorRef": ancestor, "controllerName": profile.controller}, conditions)


def ancestors(view: View, obj: Object[BackendTLSPolicy]) -> tuple[Ref, ...]:
    """Return the Gateways, sorted, at which some route sends or mirrors to a target of a policy."""
    services = {tls.service for tls in view.lowered(obj.ref).backend_tls}
    return tuple(sorted({gateway for service in services for gateway in view.memo(_gateways_to, service)}))


def _gateways_to(view: View, service: Ref) -> frozenset[Ref]:
    routes = view.by("route.service", str(service))
    return frozenset(gateway for obj in routes for gateway in view.memo(_gateways_of, obj.ref))


def _gateways_of(view: View, route: Ref) -> frozenset[Ref]:
    obj = view.get(route)
    return frozenset(attachment.gateway for attachment in attachments_of(view, obj)) if obj is not None else frozenset()


REPORT = Report(kinds=(BACKEND_TLS_POLICY,), status=status)
