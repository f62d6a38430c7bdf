"""The decoder: which manifests are ours, what they become, and what is said of those that fail."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.secret import SECRET
from mirrorplane.api.meta import Kind, Object, Ref
from mirrorplane.controlplane.manifests.decode import (
    INTERNAL_ERROR,
    INVALID_FIELD,
    NOT_A_MANIFEST,
    UNKNOWN_KIND,
    UNKNOWN_VERSION,
    decode,
    registry_of,
)
from mirrorplane.controlplane.manifests.head import unfold
from tests.controlplane.manifests.example_kinds import MESH, REF, REGISTRY, TARGET, Mesh, Rule, Whole, manifest, only


def wrong(spec: Any) -> tuple[str, str, str]:
    decoded = decode(manifest(spec), REGISTRY)
    assert decoded.object is None
    assert decoded.ref == REF
    finding = only(decoded)
    assert finding.reason == INVALID_FIELD
    assert finding.about == REF
    return finding.path, finding.message, finding.fix


def test_a_manifest_becomes_a_typed_object() -> None:
    decoded = decode(
        manifest(
            {"note": "x"},
            namespace="shop",
            labels={"l": "1"},
            annotations={"n": "2"},
            creationTimestamp="2026-01-01T00:00:00Z",
            generation=7,
            uid="u",
            resourceVersion="5",
        ),
        REGISTRY,
    )
    assert decoded.findings == ()
    assert decoded.object == Object(
        Ref("example.io/Mesh", "shop", "a"), Mesh(note="x"), {"l": "1"}, {"n": "2"}, "2026-01-01T00:00:00Z", 7
    )


def test_the_namespace_is_default_when_none_is_given_and_none_for_cluster_scoped_kinds() -> None:
    assert decode(manifest(), REGISTRY).ref == REF
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "namespace": "ignored"}}
    assert decode(namespace, REGISTRY).ref == Ref("Namespace", "", "n")


def test_a_kind_read_whole_keeps_the_fields_beside_its_metadata() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"podIP": "10.0.0.1"}}
    decoded = decode(pod, REGISTRY)
    assert decoded.object
    assert decoded.object.spec.status.pod_ip == "10.0.0.1"


def test_null_counts_as_absent_at_any_depth_and_the_manifest_is_not_edited() -> None:
    value = manifest({"note": None, "rules": [{"mirror": None, "labels": {"a": None}}], "typo": None}, labels=None)
    before = repr(value)
    decoded = decode(value, REGISTRY)
    assert decoded.findings == ()
    assert decoded.object
    assert decoded.object.spec == Mesh(rules=(Rule(),))
    assert repr(value) == before


def test_a_version_that_is_not_served_names_those_that_are() -> None:
    decoded = decode({**manifest(), "apiVersion": "example.io/v9"}, REGISTRY)
    assert decoded.ref == REF
    assert decoded.object is None
    assert only(decoded).reason == UNKNOWN_VERSION
    assert only(decoded).message == "Mesh has no version 'v9': this manifest is rejected"
    assert only(decoded).fix == "write apiVersion: example.io/v1 or example.io/v1beta1"


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("apps/v1", "Deployment"), ("v1", "ConfigMap"), ("kustomize.config.k8s.io/v1", "Kustomization")],
)
def test_a_kind_of_another_group_is_ignored_in_silence(api_version: str, kind: str) -> None:
    decoded = decode({"apiVersion": api_version, "kind": kind}, REGISTRY)
    assert decoded.ignored.endswith(kind)
    assert (decoded.ref, decoded.object, decoded.findings) == (None, None, ())


@pytest.mark.parametrize("api_version", ["v1", "example.io", "apps/v1", "exmaple.io/v1"])
def test_a_kind_of_ours_in_the_wrong_group_is_reported_with_its_own(api_version: str) -> None:
    decoded = decode({"apiVersion": api_version, "kind": "Mesh", "metadata": {"name": "m"}}, REGISTRY)
    assert decoded.ignored.endswith("Mesh")
    assert only(decoded).message == f"apiVersion {api_version} has no supported kind Mesh: this object has no effect"
    assert only(decoded).fix == "write apiVersion: example.io/v1"
    assert (only(decoded).path, only(decoded).severity) == ("apiVersion", Severity.ERROR)


def test_a_kind_of_the_same_name_in_a_group_that_is_none_of_ours_is_ignored_in_silence() -> None:
    assert not decode({"apiVersion": "mesh.other.dev/v1", "kind": "Mesh"}, REGISTRY).findings


@pytest.mark.parametrize(
    ("api_version", "kind", "meant"),
    [
        ("example.io/v1", "Mash", ""),
        ("example.io/v1", "Meshs", "Mesh"),
        ("example.io/v1", "MESH", "Mesh"),
        ("v1", "Servcie", "Service"),
        ("v1", "service", "Service"),
        ("discovery.k8s.io/v1", "EndpointSlices", "EndpointSlice"),
    ],
)
def test_a_misspelt_kind_of_a_group_that_we_read_is_an_error(api_version: str, kind: str, meant: str) -> None:
    decoded = decode({"apiVersion": api_version, "kind": kind, "metadata": {"name": "m"}}, REGISTRY)
    assert decoded.ignored.endswith(kind)
    assert only(decoded).reason == UNKNOWN_KIND
    assert only(decoded).path == "kind"
    assert only(decoded).message.endswith(": this object has no effect")
    assert only(decoded).fix == (f"did you mean {meant}?" if meant else "")
    assert only(decoded).severity is (Severity.ERROR if meant else Severity.WARNING)


@pytest.mark.parametrize("kind", ["ServiceAccount", "Node", "Secret", "ReplicationController", "PodTemplate"])
def test_another_kind_of_kubernetes_is_no_misspelling(kind: str) -> None:
    assert not decode({"apiVersion": "v1", "kind": kind, "metadata": {"name": "m"}}, REGISTRY).findings


@pytest.mark.parametrize(
    ("value", "lacks"),
    [
        ({"replicas": 3}, "apiVersion"),
        ({"apiVersion": "v2", "name": "chart"}, "kind"),
        ({"apiVersion": 2, "kind": "Service"}, "apiVersion"),
        ({"apiVersion": "v1", "kind": "Service"}, "metadata.name"),
        ({"apiVersion": "v1", "kind": "Service", "metadata": "x"}, "metadata.name"),
        ({"apiVersion": "v1", "kind": "Service", "metadata": {"generateName": "x-"}}, "generateName"),
        ([1], "mapping"),
        ("text", "mapping"),
        (None, "mapping"),
    ],
)
def test_a_document_that_is_no_kubernetes_object_is_an_error_about_its_origin(value: Any, lacks: str) -> None:
    decoded = decode(value, REGISTRY, "dir/file.yaml")
    assert (decoded.ref, decoded.object, decoded.ignored) == (None, None, "")
    assert only(decoded).about == Ref("", "", "dir/file.yaml")
    assert only(decoded).reason == NOT_A_MANIFEST
    assert lacks in only(decoded).message


@pytest.mark.parametrize("name", ["", "Upper", "a_b", "-a", "a.", "a..b", "a" * 254, 5, "a\n", "ä"])
def test_a_name_that_kubernetes_rejects_is_an_error(name: Any) -> None:
    decoded = decode(manifest(name=name), REGISTRY, "f")
    assert (decoded.ref, decoded.object) == (None, None)
    assert only(decoded).path == "metadata.name"


@pytest.mark.parametrize("namespace", ["Upper", "a.b", "a" * 64, 7])
def test_a_namespace_that_kubernetes_rejects_is_an_error(namespace: Any) -> None:
    decoded = decode(manifest(namespace=namespace), REGISTRY, "f")
    assert (decoded.ref, decoded.object) == (None, None)
    assert only(decoded).path == "metadata.namespace"


@pytest.mark.parametrize("kind", ["Service", "Namespace"])
@pytest.mark.parametrize("name", ["a.b", "a" * 64, "Upper", "-a"])
def test_a_name_that_becomes_a_label_of_a_host_has_no_dots_and_63_characters(kind: str, name: str) -> None:
    value = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    decoded = decode(value, REGISTRY, "f")
    assert (decoded.ref, decoded.object) == (None, None)
    assert only(decoded).path == "metadata.name"
    quoted = f"'{name}'" if len(name) < 63 else "'" + "a" * 62 + "..."
    assert (only(decoded).message, only(decoded).fix) == (
        f"{quoted} is not a valid {kind} name",
        "use lower-case letters, digits and inner '-', at most 63 characters (RFC 1123)",
    )
    assert decode({**value, "metadata": {"name": "0" * 63}}, REGISTRY).object
    assert decode({**value, "kind": "Pod", "metadata": {"name": "a.b"}}, REGISTRY).object


@pytest.mark.parametrize("name", ["a", "a.b-c.d", "0", "a" * 253])
def test_a_name_that_kubernetes_accepts_is_fine(name: str) -> None:
    assert decode(manifest(name=name), REGISTRY).object


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"rules": [{}, {"targets": [TARGET, {**TARGET, "weight": "50"}]}]},
            ("spec.rules[1].targets[1].weight", 'expected a whole number, got "50"', "write it without quotes: 50"),
        ),
        ({"note": 5}, ("spec.note", "expected a string, got 5", "write it in quotes")),
        ({"note": True}, ("spec.note", "expected a string, got true", "write it in quotes")),
        (
            {"rules": [{"targets": [{}]}]},
            ("spec.rules[0].targets[0].host", "required field host is missing", "add host"),
        ),
        (
            {"rules": {"a": 1}},
            ("spec.rules", "expected a list, got a mapping of 1 entry", "write '- ' before it, or brackets around it"),
        ),
        (
            {"rules": [{"mirror": {**TARGET, "mode": "copy"}}]},
            ("spec.rules[0].mirror.mode", 'expected one of COPY, MOVE, got "copy"', "write COPY"),
        ),
        (
            {"rules": [{"mirror": {**TARGET, "mode": "?"}}]},
            ("spec.rules[0].mirror.mode", 'expected one of COPY, MOVE, got "?"', ""),
        ),
        (
            {"rules": [{"mirror": {**TARGET, "enabled": "False"}}]},
            ("spec.rules[0].mirror.enabled", 'expected true or false, got "False"', "write it without quotes: false"),
        ),
        (
            {"rules": [{"mirror": {**TARGET, "weight": 5.0}}]},
            ("spec.rules[0].mirror.weight", "expected a whole number, got 5.0", "write 5"),
        ),
        (
            {"rules": [{"mirror": {**TARGET, "weight": 101}}]},
            ("spec.rules[0].mirror.weight", "expected at most 100, got 101", ""),
        ),
        (
            {"rules": [{"labels": {"ok": "1", "app.io/version": 1}}]},
            ("spec.rules[0].labels[app.io/version]", "expected a string, got 1", "write it in quotes"),
        ),
        (
            {"rules": [{"byName": {"x": TARGET, "z": {**TARGET, "weight": "p"}}}]},
            ("spec.rules[0].byName[z].weight", 'expected a whole number, got "p"', ""),
        ),
        ({"rules": [{"mirror": {**TARGET, "port": True}}]}, None),
        ([1], ("spec", "expected a mapping, got a list of 1 item", "write {rules: …, note: …}")),
    ],
)
def test_a_wrong_value_is_reported_with_its_path_and_a_fix(spec: Any, expected: tuple[str, str, str] | None) -> None:
    error = wrong(spec)
    port = (
        "spec.rules[0].mirror.port",
        "expected a whole number or a string, got true",
        "write it in quotes",
    )
    assert error == (expected or port)


@pytest.mark.parametrize(
    ("value", "fix"), [(5, "write 5s"), (1.5, "write 1.5s"), (5000, "write it with a unit: s, ms, m or h")]
)
def test_a_duration_without_a_unit_is_told_from_other_strings(value: float, fix: str) -> None:
    expected = f'expected a duration string such as "5s", got {value}', fix
    assert wrong({"rules": [{"timeout": value}]}) == ("spec.rules[0].timeout", *expected)
    assert wrong({"rules": [{"timeout": True}]})[1] == "expected a string, got true"


def test_a_value_of_a_secret_is_never_quoted() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"tls.key": 73645}}
    finding = only(decode(secret, registry_of([SECRET])))
    assert (finding.path, finding.message) == ("data[tls.key]", "expected a string, got a whole number")
    assert not finding.fix


def test_a_wrong_label_is_reported_with_its_key() -> None:
    finding = only(decode(manifest(labels={"version": 1}), REGISTRY))
    assert finding.path == "metadata.labels[version]"
    assert finding.fix == "write it in quotes"


def test_metadata_and_spec_are_both_reported_when_both_are_wrong() -> None:
    decoded = decode(manifest({"note": 1}, labels={"v": 1}), REGISTRY)
    assert [finding.path for finding in decoded.findings] == ["metadata.labels[v]", "spec.note"]


def test_an_object_that_fails_validation_is_rejected() -> None:
    rejection = Finding(REF, "No", "no")
    decoded = decode(manifest(), REGISTRY, accept=lambda _: [rejection])
    assert (decoded.ref, decoded.object, decoded.findings) == (REF, None, (rejection,))
    maybe = Finding(REF, "Maybe", "maybe", severity=Severity.WARNING)
    assert decode(manifest(), REGISTRY, accept=lambda _: [maybe]).object


def test_a_validation_that_raises_rejects_the_object_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Any) -> Iterator[Finding]:
        yield Finding(REF, "No", "no")
        raise KeyError("boom")

    with caplog.at_level(logging.ERROR):
        decoded = decode(manifest(), REGISTRY, accept=fail)
    assert (decoded.ref, decoded.object) == (REF, None)
    assert only(decoded).reason == INTERNAL_ERROR
    assert only(decoded).message == "Mirrorplane failed to validate this object: KeyError: 'boom'"
    assert only(decoded).fix == "report this bug together with the object"
    assert [bool(record.exc_info) for record in caplog.records] == [True]


def test_a_list_unfolds_to_its_items_with_their_paths() -> None:
    items = [manifest(), "text"]
    assert list(unfold({"apiVersion": "v1", "kind": "List", "items": items})) == [
        ("items[0]", items[0]),
        ("items[1]", "text"),
    ]
    assert list(unfold({"apiVersion": "v1", "kind": "List"})) == []
    assert list(unfold({"kind": "AllowList", "spec": 1})) == [("", {"kind": "AllowList", "spec": 1})]
    assert list(unfold(7)) == [("", 7)]


def test_the_items_of_a_typed_list_take_kind_and_version_from_it() -> None:
    item = {"metadata": {"name": "a"}}
    ((_, item),) = unfold({"apiVersion": "example.io/v1", "kind": "MeshList", "items": [item]})
    assert decode(item, REGISTRY).ref == REF


def test_two_kinds_with_one_name_are_rejected() -> None:
    namesake = Kind(group="example.io", versions=("v2",), name="Mesh", spec=Whole)
    with pytest.raises(ValueError, match="two kinds have the key example"):
        registry_of([MESH, namesake])
    assert registry_of([MESH, MESH]) == {("example.io", "Mesh"): MESH}


KEYS = st.sampled_from(
    [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "name",
        "rules",
        "targets",
        "byName",
        "labels",
        "mirror",
        "host",
        "weight",
        "x",
    ]
)
LEAVES = st.sampled_from([None, True, 1, 1.5, "a", "v1", "example.io/v1", "Mesh", "Service", "List"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@given(JSON, JSON)
def test_no_value_makes_the_decoder_raise_and_every_failure_is_reported(spec: Any, loose: Any) -> None:
    for value in (manifest(spec), loose, {**manifest(), "metadata": loose}):
        decoded = decode(value, REGISTRY, "f")
        assert decoded.object or decoded.ignored or any(f.severity is Severity.ERROR for f in decoded.findings)
