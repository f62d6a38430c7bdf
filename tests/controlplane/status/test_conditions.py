"""Old status + what is said now -> new status: times, generations, what others wrote."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.status import Condition, Section, Status
from mirrorplane.controlplane.status.conditions import update_status

THEN, NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"
GOOD, BAD = Condition("Accepted", "True", "Accepted"), Condition("Accepted", "False", "NoMatchingParent", "why")
PARENT = {"parentRef": {"name": "edge"}, "controllerName": "mirrorplane.io/gateway-controller"}


def parents(*sections: Section) -> Status:
    return Status(lists=("parents",), sections=sections)


def test_a_time_is_that_of_the_change_of_status_alone():
    initial = update_status({}, Status((GOOD,)), 1, THEN)
    assert initial["conditions"] == [
        {
            "type": "Accepted",
            "status": "True",
            "observedGeneration": 1,
            "lastTransitionTime": THEN,
            "reason": "Accepted",
            "message": "",
        }
    ]
    worded = Condition("Accepted", "True", "ListenersNotValid", "some")
    updated = update_status(initial, Status((worded,)), 2, NOW)["conditions"][0]
    assert (updated["reason"], updated["observedGeneration"], updated["lastTransitionTime"]) == (worded.reason, 2, THEN)
    third = update_status(initial, Status((BAD,)), 2, NOW)["conditions"][0]
    assert third["lastTransitionTime"] == NOW


def test_nothing_is_written_when_nothing_changed():
    status = parents(Section("parents", PARENT, (GOOD,), {"extra": 1}))
    initial = update_status({}, status, 3, THEN)
    assert update_status(initial, status, 3, NOW) is initial
    assert update_status(initial, status, 4, NOW) is not initial, "each condition says which generation it is about"


def test_entries_and_conditions_of_others_are_left_alone():
    theirs = {"parentRef": {"name": "other"}, "controllerName": "a.b/c", "conditions": [{"type": "X"}]}
    foreign = {"type": "example.com/Checked", "status": "True", "lastTransitionTime": THEN}
    old = {"parents": [theirs], "conditions": [foreign]}
    new = update_status(
        old, Status((GOOD,), lists=("parents",), sections=(Section("parents", PARENT, (BAD,)),)), 1, NOW
    )
    assert new["parents"][0] == theirs
    assert new["conditions"][0] == foreign
    assert [entry["controllerName"] for entry in new["parents"]] == ["a.b/c", PARENT["controllerName"]]


def test_what_no_longer_applies_is_removed():
    clash = Condition("Conflicted", "True", "HostnameConflict")
    sections = tuple(
        Section("listeners", {"name": name}, group) for name, group in (("a", (GOOD, clash)), ("b", (GOOD,)))
    )
    initial = update_status({}, Status(lists=("listeners",), sections=sections), 1, THEN)
    updated = update_status(
        initial, Status(lists=("listeners",), sections=(Section("listeners", {"name": "a"}, (GOOD,)),)), 2, NOW
    )
    assert [(entry["name"], [c["type"] for c in entry["conditions"]]) for entry in updated["listeners"]] == [
        ("a", ["Accepted"])
    ]
    assert updated["listeners"][0]["conditions"][0]["lastTransitionTime"] == THEN
    assert update_status(initial, Status(lists=("listeners",)), 2, NOW)["listeners"] == []


def test_a_status_of_a_newer_generation_stays():
    newer = update_status({}, parents(Section("parents", PARENT, (GOOD,))), 7, THEN)
    assert update_status(newer, parents(Section("parents", PARENT, (BAD,))), 6, NOW) is newer


kinds = st.sampled_from(["Accepted", "Programmed", "ResolvedRefs"])
conditions = st.lists(
    st.builds(Condition, kinds, st.sampled_from(["True", "False"]), st.sampled_from("ab"), st.just("")),
    unique_by=lambda condition: condition.type,
    max_size=3,
).map(tuple)
names = st.sampled_from("abc")
sections = st.lists(
    st.builds(lambda name, group: Section("listeners", {"name": name}, group), names, conditions),
    unique_by=lambda section: section.key["name"],
    max_size=3,
).map(tuple)
statuses = st.builds(lambda group, parts: Status(group, lists=("listeners",), sections=parts), conditions, sections)


def times(status: Any) -> dict[tuple[str, str], tuple[str, str]]:
    """The status and time of each condition, by entry and type."""
    entries = [("", status), *((entry["name"], entry) for entry in status.get("listeners", ()))]
    return {
        (name, c["type"]): (c["status"], c["lastTransitionTime"])
        for name, entry in entries
        for c in entry.get("conditions", ())
    }


@given(statuses, statuses)
def test_times_move_only_with_the_status_of_their_condition(old: Status, new: Status):
    initial = update_status({}, old, 1, THEN)
    updated = update_status(initial, new, 2, NOW)
    assert update_status(updated, new, 2, LATER) is updated
    before, after = times(initial), times(updated)
    conditions = new.conditions or old.conditions
    assert {key[1] for key in after if not key[0]} == {c.type for c in conditions}
    for key, (status, time) in after.items():
        unchanged = key in before and before[key][0] == status
        assert time == (before[key][1] if unchanged else NOW)
