"""The part of a status that is about listeners: a Gateway's own, or a ListenerSet's."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.status import FALSE, PROGRAMMED, TRUE, Condition, Section
from mirrorplane.api.view import View
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.attachment.attachments import attachments_of
from mirrorplane.translators.gateway_api.conditions import LISTENER, has_no_rules_left, negative, positive
from mirrorplane.translators.gateway_api.gateway.listeners import ListenerVerdict, verdicts_for
from mirrorplane.translators.gateway_api.names import binding_name
from mirrorplane.translators.names import listener_suffix
from mirrorplane.translators.partitions import every_partition

_NOT_VALID = "ListenersNotValid"


def own_verdicts(view: View, gateway: Ref, parent: Ref) -> tuple[ListenerVerdict, ...]:
    """Return the verdicts on the listeners that an object declares, at a Gateway.

    Istio's Gateways may select the same routers: where an older one has the port, none of ours is available.
    """
    verdicts = view.memo(verdicts_for, gateway, parent)
    conflicts = dict(view.memo(_gateway_conflicts, parent))
    return tuple(
        _unavailable(verdict, conflicts[verdict.listener.path]) if verdict.listener.path in conflicts else verdict
        for verdict in verdicts
        if verdict.listener.parent == parent
    )


def listener_sections(view: View, parent: Ref, verdicts: tuple[ListenerVerdict, ...]) -> Iterator[Section]:
    """Yield an entry of the status for each listener."""
    routes = view.memo(attached_routes, parent)
    for verdict in verdicts:
        spec = verdict.listener.spec
        facts: dict[str, Any] = {
            "supportedKinds": [{"group": group, "kind": kind} for group, kind in verdict.kinds],
            # Also for a listener that is not served (conformance test GatewayWithAttachedRoutes).
            "attachedRoutes": routes.get(spec.name, 0),
        }
        place = listener_suffix(spec.port, udp=spec.protocol == "UDP") if verdict.served else ""
        yield Section("listeners", {"name": spec.name}, tuple(_conditions(verdict)), facts, place)


def attached_routes(view: View, parent: Ref) -> Mapping[str, int]:
    """Return how many routes are attached to each listener of a Gateway or ListenerSet, by its name.

    Counted in partitions of the routes, so that one more route counts one partition again, and not thousands of routes.
    """
    total: Counter[str] = Counter()
    for partition in every_partition():
        total.update(view.memo(_attached_routes, parent, partition.index))
    return total


def accepted_condition(verdicts: tuple[ListenerVerdict, ...]) -> Condition:
    """Return whether any listener can be served.

    Gateway API: with some invalid listeners the object is still accepted, and the reason tells. A listener whose
    certificates cannot be used is invalid too: nothing is configured for it.
    """
    invalid = [verdict.listener.spec.name for verdict in verdicts if not verdict.served]
    if not invalid:
        return Condition("Accepted", TRUE, "Accepted")
    message = f"listeners not served: {', '.join(invalid)}"
    return Condition("Accepted", FALSE if len(invalid) == len(verdicts) else TRUE, _NOT_VALID, message)


def programmed_condition(verdicts: tuple[ListenerVerdict, ...], accepted: Condition) -> Condition:
    """Return whether proxies are given any listener; `accepted` is the object's Accepted condition."""
    if any(verdict.served for verdict in verdicts):
        return Condition(PROGRAMMED, TRUE, PROGRAMMED)
    reason = _NOT_VALID if accepted.reason == _NOT_VALID else "Invalid"
    return Condition(PROGRAMMED, FALSE, reason, accepted.message or "no listener can be served")


def _attached_routes(view: View, parent: Ref, partition: int) -> Mapping[str, int]:
    routes = view.by("gateway.attached", f"{binding_name(parent)}|{partition}")
    listeners = (listener for obj in routes for listener in view.memo(_counted_at, obj.ref))
    return Counter(name for declared_by, name in listeners if declared_by == parent)


def _counted_at(view: View, route: Ref) -> tuple[tuple[Ref, str], ...]:
    """Return the listeners at which a route counts. Gateway API: only accepted routes count."""
    obj = view.get(route)
    if obj is None or has_no_rules_left(view.lowered(route).findings, obj.spec.rules):
        return ()
    return tuple(
        (attachment.listener.parent, attachment.listener.spec.name) for attachment in attachments_of(view, obj)
    )


def _gateway_conflicts(view: View, parent: Ref) -> tuple[tuple[str, Finding], ...]:
    """Return the findings about listeners whose port an older gateway of the same routers has, by their field.

    Of all the findings only these, so that others change no status.
    """
    findings = findings_about(view, parent)
    return tuple((finding.path, finding) for finding in findings if finding.reason == "GatewayConflict")


def _unavailable(verdict: ListenerVerdict, conflict: Finding) -> ListenerVerdict:
    return msgspec.structs.replace(verdict, findings=(*verdict.findings, conflict), accepted=False, served=False)


def _conditions(verdict: ListenerVerdict) -> Iterator[Condition]:
    accepted = positive("Accepted", LISTENER["Accepted"], verdict.findings)
    resolved = positive("ResolvedRefs", LISTENER["ResolvedRefs"], verdict.findings)
    conflicted = negative("Conflicted", LISTENER["Conflicted"], verdict.findings)
    yield accepted
    yield resolved
    yield from conflicted
    yield from negative("OverlappingTLSConfig", LISTENER["OverlappingTLSConfig"], verdict.findings)
    if verdict.served:
        yield Condition(PROGRAMMED, TRUE, PROGRAMMED)
    # The reason of the conflict tells more than Invalid would.
    elif conflicted:
        yield Condition(PROGRAMMED, FALSE, conflicted[0].reason, conflicted[0].message)
    else:
        yield Condition(PROGRAMMED, FALSE, "Invalid", accepted.message or resolved.message)
