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
from mirrorplane.translators.gateway_api.attachment.parents import parent_of, serving_gateway
from mirrorplane.translators.gateway_api.attachment.service_parents import is_service_parent
from mirrorplane.translators.gateway_api.conditions import (
    DROPPED_RULE,
    ROUTE,
    dropped_rules,
    findings_below,
    has_no_rules_left,
    positive,
)
from mirrorplane.translators.gateway_api.gateway.classes import gateway_profile
from mirrorplane.translators.gateway_api.references import NOT_PERMITTED


def status(view: View, obj: AnyObject) -> Status | None:
    """Return the status; None when no parent is served here."""
    sections = tuple(_sections(view, obj))
    return Status(lists=("parents",), sections=sections) if sections else None


def _sections(view: View, obj: AnyObject) -> Iterator[Section]:
    """Yield an entry for each parent. Gateway API: findings about rules are repeated for each."""
    findings = findings_about(view, obj.ref)
    all_rules = findings_below("spec.rules", findings)
    for i, parent in enumerate(obj.spec.parent_refs):
        controller = _controller(view, obj, parent)
        if controller:
            rules = _of_parent(all_rules, mesh=is_service_parent(view, obj, parent))
            accepted = _accepted(obj, findings_below(f"spec.parentRefs[{i}]", findings), rules)
            resolved = positive("ResolvedRefs", ROUTE["ResolvedRefs"], rules)
            key = {"parentRef": _parent_ref(parent), "controllerName": controller}
            yield Section("parents", key, (accepted, resolved, *_partially_invalid(accepted, rules)))


def _of_parent(rules: tuple[Finding, ...], *, mesh: bool) -> tuple[Finding, ...]:
    """Return the findings about rules that concern a parent.

    Only Gateways need a ReferenceGrant (GEP-1294). Where one is missing, what else is wrong with the target concerns
    the other parents alone.
    """
    if mesh:
        return tuple(finding for finding in rules if finding.reason != NOT_PERMITTED)
    refused = {_reference(finding) for finding in rules if finding.reason == NOT_PERMITTED}
    return tuple(f for f in rules if f.reason == NOT_PERMITTED or _reference(f) not in refused)


def _reference(finding: Finding) -> str:
    return finding.path.rpartition(".")[0]


def _controller(view: View, obj: AnyObject, ref: ParentReference) -> str:
    """Return the controller that serves a parent, "" when it is not served here."""
    if is_service_parent(view, obj, ref):
        return CONTROLLER
    parent = parent_of(obj, ref)
    gateway = serving_gateway(view, parent) if parent is not None else None
    profile = gateway_profile(view, gateway) if gateway is not None else None
    return profile.controller if profile is not None else ""


def _accepted(obj: AnyObject, at_parent: tuple[Finding, ...], rules: tuple[Finding, ...]) -> Condition:
    """Return whether the route is attached, and has at least one rule that is served."""
    accepted = positive("Accepted", ROUTE["Accepted"], at_parent)
    if accepted.status == FALSE or not has_no_rules_left(rules, obj.spec.rules):
        return accepted
    messages = dict.fromkeys(finding.message for finding in rules if finding.reason in DROPPED_RULE)
    return Condition("Accepted", FALSE, "UnsupportedValue", "; ".join(messages))


def _partially_invalid(accepted: Condition, rules: tuple[Finding, ...]) -> Iterator[Condition]:
    """Yield the condition of a route that lost some rules. Gateway API: its message begins with "Dropped Rule"."""
    dropped = dropped_rules(rules)
    if dropped and accepted.status == TRUE:
        details = "; ".join(f"{finding.path}: {finding.message}" for finding in rules if finding.reason in DROPPED_RULE)
        message = f"Dropped Rule {', '.join(dropped)}: {details}"
        yield Condition("PartiallyInvalid", TRUE, "UnsupportedValue", message)


def _parent_ref(ref: ParentReference) -> dict[str, Any]:
    """Return a reference as the API server stores it: with the defaults filled in."""
    fields = {
        "group": ref.group,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
        "sectionName": ref.section_name,
        "port": ref.port,
    }
    # The core group is "", and the API server stores it.
    return {name: value for name, value in fields.items() if value or name == "group"}


REPORT = Report(kinds=(HTTP_ROUTE, GRPC_ROUTE, TLS_ROUTE, TCP_ROUTE, UDP_ROUTE), status=status)
