"""Fields nobody here knows: told with what may be meant, bounded, and not for kinds that are read in part."""

import pytest

from mirrorplane.api.finding import Severity
from mirrorplane.controlplane.manifests import unknown_fields
from mirrorplane.controlplane.manifests.decode import MOST_UNKNOWN_FIELDS, UNKNOWN_FIELD, decode
from tests.controlplane.manifests.example_kinds import REF, REGISTRY, TARGET, manifest, only


def test_unknown_fields_are_warnings_with_the_name_that_may_be_meant() -> None:
    spec = {
        "rules": [{"mirorr": {}, "targets": [{**TARGET, "wieght": 1, "x": 1}], "also": {"lables": {}}}],
        "zzz": {"deep": 1},
    }
    decoded = decode({**manifest(spec, lables={}), "Spec": 1, "status": {"any": 1}}, REGISTRY)
    assert decoded.object
    findings = {(f.path, f.fix) for f in decoded.findings}
    assert findings == {
        ("Spec", "did you mean spec?"),
        ("metadata.lables", "did you mean labels?"),
        ("spec.rules[0].mirorr", "did you mean mirror?"),
        ("spec.rules[0].targets[0].wieght", "did you mean weight?"),
        ("spec.rules[0].targets[0].x", ""),
        ("spec.rules[0].also.lables", "did you mean labels?"),
        ("spec.zzz", ""),
    }
    assert {(f.severity, f.reason, f.about) for f in decoded.findings} == {(Severity.WARNING, UNKNOWN_FIELD, REF)}


@pytest.mark.parametrize(("unknown", "count"), [(20, 0), (21, 1), (20_000, 19_980)])
def test_a_few_unknown_fields_of_an_object_are_reported_and_the_others_are_counted(unknown: int, count: int) -> None:
    decoded = decode(manifest({f"x{number}": 1 for number in range(unknown)}), REGISTRY)
    assert decoded.object
    findings, more = decoded.findings[:MOST_UNKNOWN_FIELDS], decoded.findings[MOST_UNKNOWN_FIELDS:]
    assert [f.path for f in findings] == [f"spec.x{number}" for number in range(MOST_UNKNOWN_FIELDS)]
    assert [(f.path, f.severity) for f in more] == [("spec.x20", Severity.WARNING)] * bool(count)
    assert all(f.message.startswith(f"{count:,} more unknown fields") for f in more)


def test_unknown_fields_that_are_not_listed_are_not_compared_with_valid_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    get_close_matches = unknown_fields.difflib.get_close_matches
    monkeypatch.setattr(
        unknown_fields.difflib,
        "get_close_matches",
        lambda name, *args: compared.append(name) or get_close_matches(name, *args),
    )
    decode(manifest({f"nots{number}": 1 for number in range(500)}), REGISTRY)
    assert len(set(compared)) == MOST_UNKNOWN_FIELDS


def test_unknown_fields_below_mappings_are_found() -> None:
    decoded = decode(manifest({"rules": [{"byName": {"a.b": {**TARGET, "modes": 1}}}]}), REGISTRY)
    assert only(decoded).path == "spec.rules[0].byName[a.b].modes"


def test_a_misspelt_required_field_is_told_beside_the_missing_one() -> None:
    decoded = decode(manifest({"rules": [{"mirror": {"hots": "h"}}]}), REGISTRY)
    assert [f.path for f in decoded.findings] == ["spec.rules[0].mirror.host", "spec.rules[0].mirror.hots"]
    assert decoded.findings[1].fix == "did you mean host?"


def test_kinds_of_kubernetes_itself_are_read_in_part_without_noise() -> None:
    spec = {"ports": [{"port": 80, "whatever": 1}], "sessionAffinity": "None"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "odd": 1}, "spec": spec, "x": 1}
    assert decode(service, REGISTRY).findings == ()


def test_unknown_fields_of_a_kind_read_whole_stand_at_the_top_and_status_is_none() -> None:
    value = {"apiVersion": "example.io/v1", "kind": "Whole", "metadata": {"name": "w"}, "nots": 1, "status": {}}
    assert only(decode(value, REGISTRY)).path == "nots"
