"""The YAML reader: what scalars mean, where fields stand, and what it refuses."""

import json
import math
from array import array
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.controlplane.manifests import documents
from mirrorplane.controlplane.manifests.composer import YamlError
from mirrorplane.controlplane.manifests.documents import MAX_BYTES, Document, read_documents, require_libyaml
from mirrorplane.controlplane.manifests.lines import Lines
from mirrorplane.controlplane.manifests.scalars import resolve

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)


def list_documents(body: bytes) -> list[Document]:
    return list(read_documents(body))


def values(text: str | bytes) -> list[object]:
    return [document.value for document in list_documents(text.encode() if isinstance(text, str) else text)]


def refused(text: str | bytes) -> YamlError:
    with pytest.raises(YamlError) as caught:
        values(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("17", 17),
        ("+5", 5),
        ("-0x1f", -31),
        ("017", 15),
        ("0o17", 15),
        ("09", 9.0),
        ("0b11", 3),
        ("1_000", 1000),
        ("1e3", 1000.0),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("-9223372036854775808", -9223372036854775808),
        ("-9223372036854775809", -9223372036854775809.0),
        (".5", 0.5),
        ("2.", 2.0),
        ("22:22", "22:22"),
        ("2020-01-01", "2020-01-01"),
        ("10.0.0.1", "10.0.0.1"),
        ("5s", "5s"),
        ("-", "-"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("nullify", "nullify"),
    ],
)
def test_a_plain_scalar_means_what_kubernetes_reads(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_a_number_of_more_digits_than_a_machine_holds_is_a_float_or_a_string() -> None:
    assert resolve("1" * 30) == pytest.approx(1.1111e29, rel=1e-3)
    assert resolve("1" * 5000) == "1" * 5000


@given(st.text())
def test_no_plain_scalar_crashes_the_resolver(text: str) -> None:
    value = resolve(text)
    assert not isinstance(value, float) or math.isfinite(value)


def test_quotes_and_string_tags_make_strings() -> None:
    assert values("a: '12'\nb: \"true\"\nc: !!str 12\nd: |\n  7\n") == [{"a": "12", "b": "true", "c": "12", "d": "7\n"}]


def test_standard_tags_are_checked() -> None:
    assert values('a: !!int "12"\nb: !!float 3\nc: !!map {d: !!seq [1]}') == [{"a": 12, "b": 3.0, "c": {"d": [1]}}]
    assert "!!int" in refused("a: !!int x").message


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!foo", "!!binary", "!!timestamp", "!!set"])
def test_any_other_tag_is_refused(tag: str) -> None:
    error = refused(f"ok: 1\nbad: {tag} x")
    assert tag in error.message
    assert error.line == 2


def test_a_tag_on_a_collection_is_refused() -> None:
    assert "!foo" in refused("a: !foo {b: 1}").message


def test_empty_documents_are_left_out() -> None:
    assert values("# nothing\n---\n---\na: 1\n---\nnull\n...\n") == [{"a": 1}]
    assert values("") == []
    assert values(" \n\n# only a comment\n") == []


def test_anchors_and_merge_keys_work() -> None:
    text = "base: &b {x: 1, y2: {z: 2}}\none:\n  <<: *b\n  x: 3\ntwo: {<<: [{w: 0, x: 9}, *b]}\nthree: *b\n"
    base = {"x": 1, "y2": {"z": 2}}
    assert values(text) == [
        {"base": base, "one": {"x": 3, "y2": {"z": 2}}, "two": {"w": 0, **base, "x": 9}, "three": base}
    ]


def test_a_merged_mapping_that_merges_itself_is_complete() -> None:
    assert values("- &a {<<: {b: 1}, c: 2}\n- {<<: *a}")[0] == [{"b": 1, "c": 2}, {"b": 1, "c": 2}]


@pytest.mark.parametrize("text", ["<<: 3", "<<: [{a: 1}, 3]", "<<:"])
def test_a_merge_key_wants_mappings(text: str) -> None:
    assert "<<" in refused(text).message


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    assert "*a" in refused("a: &a [*a]").message
    assert "*b" in refused("a: *b").message


def test_anchors_end_with_their_document() -> None:
    assert "*a" in refused("a: &a 1\n---\nb: *a").message


def test_billion_laughs_are_refused_at_once() -> None:
    assert "10,000 nodes" in refused(LAUGHS).message


def test_the_limit_of_aliases_is_for_the_whole_file() -> None:
    document = "a: &a [" + "x, " * 90 + "]\nb: [" + "*a, " * 30 + "]\n"
    assert len(values("---\n".join([document] * 3))) == 3
    assert "10,000 nodes" in refused("---\n".join([document] * 5)).message


@pytest.mark.parametrize("text", ["[" * 1_000_000, "[\n" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_deep_nesting_is_refused_at_once(text: str) -> None:
    assert "64 levels" in refused(text).message


def test_sixty_four_levels_are_fine() -> None:
    assert len(values("[" * 64 + "]" * 64)) == 1


def test_a_file_over_the_limit_is_refused_before_it_is_decoded() -> None:
    assert "33,554,432" in refused(b"\xff" * (MAX_BYTES + 1)).message


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: 2\na: 3", 3), ("x:\n- b: 1\n  c: {d: 1}\n  b: 2", 4), ('"a": 1\na: 2', 2), ("<<: {}\n<<: {}", 2)],
)
def test_a_duplicate_key_is_rejected_with_both_lines(text: str, line: int) -> None:
    error = refused(text)
    assert "duplicate key" in error.message
    assert error.line == line


def test_the_line_of_the_first_of_two_keys_is_reported() -> None:
    assert "first on line 2" in refused("x:\n  b: 1\n  c: 1\n  b: 2").message


def test_keys_become_the_strings_that_json_would_have() -> None:
    assert values("1: a\non: b\n1.5: c") == [{"1": "a", "true": "b", "1.5": "c"}]


@pytest.mark.parametrize("text", ["~: 1", ": 1", "[a]: 1"])
def test_a_key_that_is_no_string_is_refused(text: str) -> None:
    assert "key" in refused(text).message


def test_an_unrendered_template_is_named() -> None:
    assert "template" in refused("name: {{ .Values.name }}").message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2", 2),
        ("a: 1\n b: 2", 2),
        ('a: 1\nb: "x', 2),
        ("a: 1\n\tb: 2", 2),
        ("%YAML 1.2\n", 2),
        ("a: b: c", 1),
    ],
)
def test_broken_yaml_is_one_sentence_with_a_line(text: str, line: int) -> None:
    error = refused(text)
    assert "\n" not in error.message
    assert error.line == line


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\ufffe"])
def test_control_characters_are_refused_with_their_line(character: str) -> None:
    error = refused(f"a: 1\nb: x{character}y")
    assert f"U+{ord(character):04X}" in error.message
    assert error.line == 2


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    error = refused(b"a: 1\nb: caf\xe9\n")
    assert "0xe9 is not UTF-8" in error.message
    assert error.line == 2
    assert "UTF-16" in refused("a: 1".encode("utf-16")).message


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    documents = list_documents(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: x\r\n---\r\nd: 2\r\n")
    assert [document.value for document in documents] == [{"a": 1, "b": {"c": "x"}}, {"d": 2}]
    assert documents[0].lines.line_of("b.c") == 3
    assert documents[1].lines.line_of("d") == 5


def test_json_is_read_as_it_is() -> None:
    text = '{\n\t"a": ["1", 2.5, null, true],\n\t"b\\u00e9": "x\\/y",\n\t"c": {}\n}'
    documents = list_documents(text.encode())
    assert documents[0].value == {"a": ["1", 2.5, None, True], "bé": "x/y", "c": {}}
    assert documents[0].lines.line_of("c") == 4


LINES = """\
# a comment
kind: A
spec:
  http:
  - name: one
    mirror:
      host: h
  -
    name: two
    labels: {a.b/c: x,
      d: y}
  other: &o
    deep: 1
  again: *o
  merged:
    <<: *o
    own: 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 2),
        ("kind", 2),
        ("spec.http", 4),
        ("spec.http[0]", 5),
        ("spec.http[0].mirror.host", 7),
        ("spec.http[0].mirror.port.number", 6),
        ("spec.http[1].name", 9),
        ("spec.http[1].labels[a.b/c]", 10),
        ("spec.http[1].labels[d]", 11),
        ("spec.http[7].name", 4),
        ("spec.again.deep", 14),
        ("spec.merged.own", 17),
        ("spec.merged.deep", 15),
        ("nowhere", 2),
    ],
)
def test_a_path_has_the_line_of_its_field_or_of_its_nearest_parent(path: str, line: int) -> None:
    assert list_documents(LINES.encode())[0].lines.line_of(path) == line


def naively(lines: Lines, path: str) -> int:
    """Answer as `Lines.of` must, by looking at one sibling after the other."""
    line, start, end = lines.root, 0, len(lines.keys)
    for step in path.replace("[", ".").replace("]", "").strip(".").split("."):
        entry, position = start, 0
        while entry < end and step != (lines.keys[entry] if lines.keys[entry] is not None else str(position)):
            entry, position = entry + lines.spans[entry], position + 1
        if entry >= end:
            break
        line, start, end = lines.lines[entry], entry + 1, entry + lines.spans[entry]
    return line


STEPS = st.sampled_from(["a", "b", "k0", "k7", "k19", "k40", "0", "7", "19", "40", "07", "-1", "١"])  # noqa: RUF001
NESTED = st.recursive(
    st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(STEPS, inner, max_size=4)
        | inner.map(lambda value: [value] * 20)
        | inner.map(lambda value: {f"k{number}": value for number in range(20)})
    ),
    max_leaves=6,
)


@given(NESTED, st.lists(st.lists(STEPS, max_size=4).map(".".join), max_size=10))
def test_small_and_large_collections_answer_for_their_lines_alike(value: Any, paths: list[str]) -> None:
    document = json.dumps({"a": value}, indent=0, ensure_ascii=False)
    (read,) = list_documents(document.encode())
    for path in [*paths, *(f"a.{path}" for path in paths)]:
        assert read.lines.line_of(path) == naively(read.lines, path)


@pytest.mark.parametrize("item", ["- {a: %d}\n", "k%d: {a: 1}\n"])
def test_a_question_about_a_large_collection_looks_at_its_entries_only_once(item: str) -> None:
    (read,) = list_documents("".join(item % number for number in range(2000)).encode())
    visits = CountedSpans(read.lines.spans)
    read.lines.spans = visits
    name = "[%d].a" if item.startswith("-") else "k%d.a"
    assert [read.lines.line_of(name % number) for number in range(2000)] == list(range(1, 2001))
    assert visits.count <= 4 * len(visits)


class CountedSpans(array):  # type: ignore[type-arg]
    """Spans that count how often one of them is looked at."""

    def __new__(cls, spans: Iterable[int]) -> "CountedSpans":
        counted = super().__new__(cls, "I", spans)
        counted.count = 0
        return counted

    def __getitem__(self, entry: Any) -> Any:
        self.count += 1
        return super().__getitem__(entry)


def test_without_libyaml_the_reader_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    require_libyaml()
    monkeypatch.setattr(documents.yaml, "__with_libyaml__", False)
    with pytest.raises(RuntimeError, match="libyaml"):
        require_libyaml()


@given(st.text(alphabet="ab:-[]{}&*!<>|\"'#?,% \n\t~10.\\", max_size=60))
def test_no_text_does_worse_than_a_yaml_error(text: str) -> None:
    try:
        documents = list_documents(text.encode())
    except YamlError:
        return
    assert all(document.value is not None for document in documents)
