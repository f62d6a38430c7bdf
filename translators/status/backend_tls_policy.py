"""The status of a BackendTLSPolicy: one entry for each Gateway through which it is used."""

from collections.abc import Iterator

from mirrorplane.api.kinds.gateway_api.backend_tls_policy import BACKEND_TLS_POLICY, BackendTLSPolicy
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.status import Condition, Section, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.attachment.ancestors import ancestors
from mirrorplane.translators.gateway_api.conditions import BACKEND_TLS, positive
from mirrorplane.translators.gateway_api.gateway.classes import profile_at

_MOST = 16


def status(view: View, obj: Object[BackendTLSPolicy]) -> Status | None:
    """Return the status; None where no route of a Gateway that is served here leads to a target."""
    found = findings_about(view, obj.ref)
    conditions = tuple(positive(kind, reasons, found) for kind, reasons in BACKEND_TLS.items())
    sections = tuple(_sections(view, ancestors(view, obj)[:_MOST], conditions))
    return Status(lists=("ancestors",), sections=sections) if sections else None


def _sections(view: View, gateways: tuple[Ref, ...], conditions: tuple[Condition, ...]) -> Iterator[Section]:
    """Yield an entry for each Gateway; what is said of the policy is the same for all."""
    for ref in gateways:
        served = profile_at(view, ref)
        if served is not None:
            group, _, kind = ref.kind.rpartition("/")
            named = {"group": group, "kind": kind, "namespace": ref.namespace, "name": ref.name}
            yield Section("ancestors", {"ancestorRef": named, "controllerName": served.controller}, conditions)


REPORT = Report(kinds=(BACKEND_TLS_POLICY,), status=status)
