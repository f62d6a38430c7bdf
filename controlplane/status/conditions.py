"""Old status + what is to be said now -> new status, as Kubernetes has it. Pure: the time is given.

A transition time is kept while its condition keeps its status, and an equal result is the old one itself, so that
nothing is written when nothing changed. What others wrote is left alone.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from mirrorplane.api.status import Condition, Section, Status

Plain = Mapping[str, Any]
_OURS = frozenset(
    (
        "Accepted",
        "Attached",
        "Conflicted",
        "InsecureFrontendValidationMode",
        "OverlappingTLSConfig",
        "PartiallyInvalid",
        "Programmed",
        "ResolvedRefs",
    )
)
"""The types of conditions that we write: one of them that is not said any more goes."""
_CONTROLLER = "controllerName"


def rfc3339(moment: datetime) -> str:
    """Return a time as Kubernetes writes it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def updated(old: Plain, said: Status, generation: int, now: str) -> Plain:
    """Return the new status. `now` is RFC 3339, `generation` that of the object that it was made from.

    A status of a newer generation than this stays.
    """
    if _is_newer(old, generation):
        return old
    new: dict[str, Any] = dict(old) | dict(said.facts)
    if said.conditions:
        new["conditions"] = _conditions(old.get("conditions", ()), said.conditions, generation, now)
    for name in said.lists:
        ours = [section for section in said.sections if section.list == name]
        new[name] = _entries(old.get(name, ()), ours, generation, now)
    return old if new == old else new


def own(old: Plain, said: Status, generation: int) -> Plain:
    """Return what of a status that nobody else writes the next one is made from.

    No entries of controllers that are not spoken for any more; nothing at all of an object that was made anew, which
    Kubernetes counts from one again.
    """
    if _is_newer(old, generation):
        return {}
    spoken = {section.key.get(_CONTROLLER) for section in said.sections}
    kept = {name: [one for one in old[name] if one.get(_CONTROLLER) in spoken] for name in said.lists if name in old}
    return old if all(kept[name] == old[name] for name in kept) else {**old, **kept}


def _entries(old: Iterable[Plain], said: Iterable[Section], generation: int, now: str) -> list[Plain]:
    """Return the entries of a list: those of other controllers, then ours."""
    before, sections = list(old), list(said)
    ours = {section.key.get(_CONTROLLER) for section in sections}
    foreign = [entry for entry in before if _CONTROLLER in entry and entry[_CONTROLLER] not in ours]
    return foreign + [_entry(before, section, generation, now) for section in sections]


def _entry(before: Iterable[Plain], said: Section, generation: int, now: str) -> Plain:
    same = (entry for entry in before if all(entry.get(name) == value for name, value in said.key.items()))
    old = next(same, {})
    made = _conditions(old.get("conditions", ()), said.conditions, generation, now)
    return {**said.key, **said.facts, "conditions": made}


def _conditions(old: Iterable[Plain], said: Iterable[Condition], generation: int, now: str) -> list[Plain]:
    before = {entry["type"]: entry for entry in old}
    foreign = [entry for kind, entry in before.items() if kind not in _OURS]
    return foreign + [_condition(before.get(one.type), one, generation, now) for one in said]


def _condition(old: Plain | None, said: Condition, generation: int, now: str) -> Plain:
    kept = old is not None and old["status"] == said.status
    return {
        "type": said.type,
        "status": said.status,
        "observedGeneration": generation,
        "lastTransitionTime": old["lastTransitionTime"] if old is not None and kept else now,
        "reason": said.reason,
        "message": said.message,
    }


def _is_newer(old: Plain, generation: int) -> bool:
    lists = (old.get("conditions", ()), *(e.get("conditions", ()) for v in old.values() for e in _dicts(v)))
    seen = [c.get("observedGeneration", 0) for conditions in lists for c in conditions if c["type"] in _OURS]
    return max(seen, default=0) > generation


def _dicts(value: object) -> list[Plain]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
