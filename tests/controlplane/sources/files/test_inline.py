"""Content that is in no file, such as standard input: read once, beside files, and never lost."""

from pathlib import Path

from mirrorplane.controlplane.sources.files.source import FileSource
from tests.controlplane.sources.files.edited_folder import BROKEN, REGISTRY, ref, service


def test_inline_content_is_read_beside_files_and_stays(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(service("a"))
    source = FileSource([tmp_path], REGISTRY, inline={"stdin": service("b").encode()})
    assert [change.ref for change in source.rescan().changes] == [ref("a"), ref("b")]
    assert not source.rescan()
    (tmp_path / "a.yaml").unlink()
    assert [(change.ref, change.obj) for change in source.rescan().changes] == [(ref("a"), None)]
    location = source.locate(ref("b"), "spec.ports[0].port")
    assert location is not None
    assert (location.file, location.line) == ("stdin", 8)
    assert source.name == f"{tmp_path}, stdin"


def test_inline_content_may_be_all_there_is_and_may_be_broken():
    source = FileSource([], REGISTRY, inline={"stdin": BROKEN.encode()})
    batch = source.rescan()
    assert [finding.file for group in batch.findings.values() for finding in group] == ["stdin"]
    assert not source.is_empty
    assert FileSource([], REGISTRY, inline={"stdin": b""}).is_empty


def test_a_draft_is_offered_only_where_no_object_serves(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text(service("a", "eighty"))
    source = FileSource([tmp_path], REGISTRY)
    source.rescan()
    [draft] = source.drafts()
    assert (draft.object.ref, draft.gaps) == (ref("a"), ("spec.ports[0].port",))
    location = source.locate(ref("a"), "spec.ports[0].port")
    assert location is not None
    assert location.line == 8
    file.write_text(service("a"))
    source.rescan()
    file.write_text(service("a", "eighty"))
    source.rescan()
    assert list(source.drafts()) == [], "the last good version serves"
