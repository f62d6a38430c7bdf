"""The part of a status that is about listeners: a Gateway's own, or a ListenerSet's."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.status import FALSE, PROGRAMMED, TRUE, Condition, Section
from mirrorplane.api.view import View
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.attachment.attached_routes import counted
from mirrorplane.translators.gateway_api.conditions import LISTENER, negative, positive
from mirrorplane.translators.gateway_api.gateway.listeners import Verdict, seen_by
from mirrorplane.translators.names import listener_suffix

_NOT_VALID = "ListenersNotValid"


def of_owner(view: View, gateway: Ref, owner: Ref) -> tuple[Verdict, ...]:
    """Return what becomes of the listeners that an object writes down, at a Gateway.

    Gateways of Istio may be for the same routers: where an older one has the port, none of ours is available.
    """
    found = tuple(one for one in view.memo(seen_by, gateway, owner) if one.listener.owner == owner)
    lost = dict(view.memo(_left_out, owner))
    return tuple(_unavailable(one, lost[one.listener.path]) if one.listener.path in lost else one for one in found)


def sections(view: View, owner: Ref, verdicts: tuple[Verdict, ...]) -> Iterator[Section]:
    """Yield an entry for each listener."""
    routes = view.memo(counted, owner)
    for one in verdicts:
        said = one.listener.said
        facts: dict[str, Any] = {
            "supportedKinds": [{"group": group, "kind": kind} for group, kind in one.kinds],
            "attachedRoutes": routes.get(said.name, 0),
        }
        place = listener_suffix(said.port, udp=said.protocol == "UDP") if one.served else ""
        yield Section("listeners", {"name": said.name}, tuple(_conditions(one)), facts, place)


def accepted(verdicts: tuple[Verdict, ...]) -> Condition:
    """Return whether there is anything that can be served.

    Gateway API: with some bad listeners it still is accepted, and the reason says so. A listener whose certificates
    cannot be used is bad too: nothing is configured for it.
    """
    bad = [verdict.listener.said.name for verdict in verdicts if not verdict.served]
    if not bad:
        return Condition("Accepted", TRUE, "Accepted")
    message = f"listeners not served: {', '.join(bad)}"
    return Condition("Accepted", FALSE if len(bad) == len(verdicts) else TRUE, _NOT_VALID, message)


def not_programmed(valid: Condition) -> Condition:
    """Return the condition of an object none of whose listeners is served; `valid` is its Accepted condition."""
    reason = _NOT_VALID if valid.reason == _NOT_VALID else "Invalid"
    return Condition(PROGRAMMED, FALSE, reason, valid.message or "no listener can be served")


def _left_out(view: View, owner: Ref) -> tuple[tuple[str, Finding], ...]:
    """Return the findings about listeners that an older gateway for the same routers leaves no place, by their field.

    Of all the findings only these, so that others change no status.
    """
    found = findings_about(view, owner)
    return tuple((finding.path, finding) for finding in found if finding.reason == "GatewayConflict")


def _unavailable(verdict: Verdict, conflict: Finding) -> Verdict:
    return msgspec.structs.replace(verdict, findings=(*verdict.findings, conflict), accepted=False, served=False)


def _conditions(one: Verdict) -> Iterator[Condition]:
    valid = positive("Accepted", LISTENER["Accepted"], one.findings)
    resolved = positive("ResolvedRefs", LISTENER["ResolvedRefs"], one.findings)
    yield valid
    yield resolved
    conflicted = negative("Conflicted", LISTENER["Conflicted"], one.findings)
    yield from conflicted
    yield from negative("OverlappingTLSConfig", LISTENER["OverlappingTLSConfig"], one.findings)
    if one.served:
        yield Condition(PROGRAMMED, TRUE, PROGRAMMED)
    elif conflicted:
        yield Condition(PROGRAMMED, FALSE, conflicted[0].reason, conflicted[0].message)
    else:
        yield Condition(PROGRAMMED, FALSE, "Invalid", valid.message or resolved.message)
