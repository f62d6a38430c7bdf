"""Drafts: what is read of a manifest that is wrong, and that no mistake hides another. See decision 0136."""

from collections.abc import Iterator
from typing import Any

import pytest

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.controlplane.manifests.decode import Decoded, decode
from mirrorplane.controlplane.manifests.drafts import MOST_ERRORS, Draft
from tests.controlplane.manifests.example_kinds import REF, REGISTRY, TARGET, Mesh, Rule, Target, manifest


def paths(decoded: Decoded) -> list[str]:
    return [finding.path for finding in decoded.findings]


def test_all_errors_of_an_object_are_reported_at_once() -> None:
    spec = {
        "note": 1,
        "rules": [
            {"targets": [TARGET, {"host": "h", "weight": "a"}, {"mode": "?"}, 7], "timeout": 5},
            {"labels": {"a": 1, "b": 2, "c": "3"}, "mirror": {"host": "h", "weight": 500}},
        ],
    }
    decoded = decode(manifest(spec, labels={"v": 1}), REGISTRY)
    assert decoded.object is None
    assert sorted(paths(decoded)) == [
        "metadata.labels[v]",
        "spec.note",
        "spec.rules[0].targets[1].weight",
        "spec.rules[0].targets[2].host",
        "spec.rules[0].targets[2].mode",
        "spec.rules[0].targets[3]",
        "spec.rules[0].timeout",
        "spec.rules[1].labels[a]",
        "spec.rules[1].labels[b]",
        "spec.rules[1].mirror.weight",
    ]


def test_a_draft_has_what_is_right_and_empty_values_where_one_is_required() -> None:
    spec = {"rules": [{"targets": [{"host": 1}, TARGET], "timeout": 5, "labels": {"a": 1, "b": "2"}}], "note": "n"}
    before = repr(spec)
    draft = decode(manifest(spec), REGISTRY).draft
    assert draft is not None
    assert draft.object.spec == Mesh(
        rules=(Rule(targets=(Target(host=""), Target(host="h")), labels={"b": "2"}),), note="n"
    )
    assert sorted(draft.gaps) == ["spec.rules[0].labels[a]", "spec.rules[0].targets[0].host", "spec.rules[0].timeout"]
    assert repr(spec) == before


@pytest.mark.parametrize("spec", ["text", 5, [1]])
def test_a_spec_of_another_type_leaves_nothing_to_check(spec: Any) -> None:
    decoded = decode(manifest(spec), REGISTRY)
    assert (decoded.draft, paths(decoded)) == (None, ["spec"])


def test_an_empty_value_that_is_not_allowed_either_takes_out_what_contains_it() -> None:
    decoded = decode(manifest({"rules": [{"mirror": "next"}, 5]}), REGISTRY)
    assert paths(decoded) == ["spec.rules[0].mirror", "spec.rules[1]"]
    assert decoded.draft is not None
    assert decoded.draft.object.spec == Mesh(rules=(Rule(), Rule()))


def test_the_number_of_errors_is_bounded() -> None:
    decoded = decode(manifest({"rules": [{"timeout": 5}] * 100}), REGISTRY)
    assert len(decoded.findings) == MOST_ERRORS


def test_a_validation_sees_the_draft_and_its_errors_away_from_gaps_are_reported() -> None:
    def accept(_: Any) -> Iterator[Finding]:
        yield Finding(REF, "No", "no", "spec.rules[0].mirror")
        yield Finding(REF, "Near", "the gap itself", "spec.rules[1].timeout.x")
        yield Finding(REF, "Near", "what contains the gap", "spec.rules[1]")
        yield Finding(REF, "Perhaps", "warnings may come from the gap", "spec.note", Severity.WARNING)

    decoded = decode(manifest({"rules": [{}, {"timeout": 5}]}), REGISTRY, accept=accept)
    assert [finding.reason for finding in decoded.findings] == ["InvalidField", "No"]
    assert decoded.object is None
    assert decoded.draft is not None
    assert decoded.draft.is_near_gap("spec.rules[0].mirror.host")


def test_a_validation_that_a_gap_makes_fail_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Any) -> Iterator[Finding]:
        raise KeyError("rules")

    decoded = decode(manifest({"rules": 5}), REGISTRY, accept=fail)
    assert [finding.reason for finding in decoded.findings] == ["InvalidField"]
    assert not caplog.records


def test_an_object_that_its_validation_rejects_has_a_draft_too() -> None:
    decoded = decode(manifest({"note": "x"}), REGISTRY, accept=lambda _: [Finding(REF, "No", "no", "spec.note")])
    assert decoded.draft is not None
    assert decoded.draft.object.spec == Mesh(note="x")
    assert decoded.draft.gaps == ("spec.note",)


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("spec.http[0].route[0].destination.host", True),
        ("spec.http[0]", True),
        ("spec.http[0].route[0].destination.host.x", True),
        ("spec.http[1]", False),
        ("spec.http[10]", False),
        ("spec.hosts", False),
    ],
)
def test_what_is_near_a_gap(path: str, near: bool) -> None:
    decoded = decode(manifest({}), REGISTRY)
    assert decoded.object is not None
    assert Draft(decoded.object, ("spec.http[0].route[0].destination.host",)).is_near_gap(path) is near
