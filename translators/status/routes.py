"""The status of routes: one entry for each parent that is served here."""

from collections.abc import Iterator
from typing import Any

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.gateway_class import CONTROLLER
from mirrorplane.api.kinds.gateway_api.grpc_route import GRPC_ROUTE
from mirrorplane.api.kinds.gateway_api.http_route import HTTP_ROUTE
from mirrorplane.api.kinds.gateway_api.references import ParentReference
from mirrorplane.api.kinds.gateway_api.tcp_route import TCP_ROUTE
from mirrorplane.api.kinds.gateway_api.tls_route import TLS_ROUTE
from mirrorplane.api.kinds.gateway_api.udp_route import UDP_ROUTE
from mirrorplane.api.meta import AnyObject
from mirrorplane.api.status import FALSE, TRUE, Condition, Section, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.attachment.parents import owner_of, served_by
from mirrorplane.translators.gateway_api.attachment.service_parents import is_served
from mirrorplane.translators.gateway_api.conditions import PARTLY, ROUTE, below, is_lost, lost_rules, positive
from mirrorplane.translators.gateway_api.gateway.classes import profile_at


def status(view: View, obj: AnyObject) -> Status | None:
    """Return the status; None when no parent is served here."""
    found = tuple(_sections(view, obj))
    return Status(lists=("parents",), sections=found) if found else None


def _sections(view: View, obj: AnyObject) -> Iterator[Section]:
    """Yield an entry for each parent. What is said of the rules is the same for all (Gateway API)."""
    said = findings_about(view, obj.ref)
    rules = below("spec.rules", said)
    for i, parent in enumerate(obj.spec.parent_refs):
        controller = _controller(view, obj, parent)
        if controller:
            valid = _accepted(obj, below(f"spec.parentRefs[{i}]", said), rules)
            resolved = positive("ResolvedRefs", ROUTE["ResolvedRefs"], rules)
            key = {"parentRef": _echoed(parent), "controllerName": controller}
            yield Section("parents", key, (valid, resolved, *_partly(valid, rules)))


def _controller(view: View, obj: AnyObject, parent: ParentReference) -> str:
    if is_served(view, obj, parent):
        return CONTROLLER
    owner = owner_of(obj, parent)
    gateway = served_by(view, owner) if owner is not None else None
    served = profile_at(view, gateway) if gateway is not None else None
    return served.controller if served is not None else ""


def _accepted(obj: AnyObject, about: tuple[Finding, ...], rules: tuple[Finding, ...]) -> Condition:
    """Return whether the route is attached, and has at least one rule that is served."""
    found = positive("Accepted", ROUTE["Accepted"], about)
    if found.status == FALSE or not is_lost(rules, len(obj.spec.rules)):
        return found
    told = "; ".join(dict.fromkeys(finding.message for finding in rules if finding.reason in PARTLY))
    return Condition("Accepted", FALSE, "UnsupportedValue", told)


def _partly(valid: Condition, rules: tuple[Finding, ...]) -> Iterator[Condition]:
    lost = lost_rules(rules)
    if lost and valid.status == TRUE:
        told = "; ".join(f"{finding.path}: {finding.message}" for finding in rules if finding.reason in PARTLY)
        yield Condition("PartiallyInvalid", TRUE, "UnsupportedValue", f"Dropped Rule {', '.join(lost)}: {told}")


def _echoed(parent: ParentReference) -> dict[str, Any]:
    """Return a reference as the API server stores it: with the defaults filled in."""
    said = {"group": parent.group, "kind": parent.kind, "namespace": parent.namespace, "name": parent.name}
    more = {"sectionName": parent.section_name, "port": parent.port}
    kept = {name: value for name, value in said.items() if value or name == "group"}
    return kept | {name: value for name, value in more.items() if value}


REPORT = Report(kinds=(HTTP_ROUTE, GRPC_ROUTE, TLS_ROUTE, TCP_ROUTE, UDP_ROUTE), status=status)
