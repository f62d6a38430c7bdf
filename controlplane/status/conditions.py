"""The old status of an object and what it should say now -> its new status, as Kubernetes has it. Pure.

A transition time is kept while its condition keeps its status, and an equal result is the old value itself, so that
nothing is written when nothing changed. Conditions and entries of other controllers are left alone.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from mirrorplane.api.status import Condition, Section, Status

Plain = Mapping[str, Any]
"""A status as JSON."""
_OWNED_TYPES = frozenset(
    (
        "Accepted",
        "Attached",
        "Conflicted",
        "InsecureFrontendValidationMode",
        "OverlappingTLSConfig",
        "PartiallyInvalid",
        "Programmed",
        "ResolvedRefs",
        "mirrorplane.io/Enforced",
    )
)
"""The types of conditions that are ours: one of them that no longer applies is removed."""
_CONTROLLER = "controllerName"


def rfc3339(moment: datetime) -> str:
    """Return a time as Kubernetes writes it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def update_status(old: Plain, status: Status, generation: int, now: str) -> Plain:
    """Return the new status. `now` is RFC 3339, `generation` that of the object that `status` was computed from.

    A status of a newer generation is left as it is: another replica has seen more.
    """
    if _is_newer(old, generation):
        return old
    new: dict[str, Any] = dict(old) | dict(status.facts)
    if status.conditions:
        new["conditions"] = _conditions(old.get("conditions", ()), status.conditions, generation, now)
    for name in status.lists:
        sections = [section for section in status.sections if section.list == name]
        new[name] = _entries(old.get(name, ()), sections, generation, now)
    return old if new == old else new


def without_stale_entries(old: Plain, status: Status, generation: int) -> Plain:
    """Return the old status without list entries of controllers that no longer report.

    For a status that no other controller writes. Empty for an object that was deleted and created again: Kubernetes
    counts its generations from one.
    """
    if _is_newer(old, generation):
        return {}
    controllers = {section.key.get(_CONTROLLER) for section in status.sections}
    current = {
        name: [entry for entry in old[name] if entry.get(_CONTROLLER) in controllers]
        for name in status.lists
        if name in old
    }
    return old if all(entries == old[name] for name, entries in current.items()) else {**old, **current}


def _entries(old: Iterable[Plain], sections: Iterable[Section], generation: int, now: str) -> list[Plain]:
    """Return the entries of a list: those of other controllers, then ours."""
    old, sections = list(old), list(sections)
    controllers = {section.key.get(_CONTROLLER) for section in sections}
    foreign = [entry for entry in old if _CONTROLLER in entry and entry[_CONTROLLER] not in controllers]
    return foreign + [_entry(old, section, generation, now) for section in sections]


def _entry(old: Iterable[Plain], section: Section, generation: int, now: str) -> Plain:
    same_key = (entry for entry in old if all(entry.get(name) == value for name, value in section.key.items()))
    old_conditions = next(same_key, {}).get("conditions", ())
    conditions = _conditions(old_conditions, section.conditions, generation, now)
    return {**section.key, **section.facts, "conditions": conditions}


def _conditions(old: Iterable[Plain], conditions: Iterable[Condition], generation: int, now: str) -> list[Plain]:
    old_by_type = {condition["type"]: condition for condition in old}
    foreign = [condition for name, condition in old_by_type.items() if name not in _OWNED_TYPES]
    return foreign + [_condition(old_by_type.get(c.type), c, generation, now) for c in conditions]


def _condition(old: Plain | None, condition: Condition, generation: int, now: str) -> Plain:
    unchanged = old is not None and old["status"] == condition.status
    return {
        "type": condition.type,
        "status": condition.status,
        # Of all conditions, also where nothing else changed: Gateway API's conformance tests take an older one for an
        # error.
        "observedGeneration": generation,
        "lastTransitionTime": old["lastTransitionTime"] if old is not None and unchanged else now,
        "reason": condition.reason,
        "message": condition.message,
    }


def _is_newer(old: Plain, generation: int) -> bool:
    entries = [entry for value in old.values() for entry in _entries_in(value)]
    groups = [holder.get("conditions", ()) for holder in (old, *entries)]
    generations = [c.get("observedGeneration", 0) for group in groups for c in group if c["type"] in _OWNED_TYPES]
    return max(generations, default=0) > generation


def _entries_in(value: object) -> list[Plain]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
