"""The file source: what a folder of manifests serves while it is edited."""

import os
import shutil
from pathlib import Path

import pytest

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.findings.format import finding_line
from mirrorplane.controlplane.manifests.documents import MAX_BYTES
from mirrorplane.controlplane.sources.files.listing import MAX_DEPTH, Listing
from mirrorplane.controlplane.sources.files.source import FileSource
from tests.controlplane.sources.files.edited_folder import BROKEN, MIRRORING, REGISTRY, FolderEditor, ref, service, swap


@pytest.fixture
def editor(tmp_path: Path) -> FolderEditor:
    return FolderEditor(tmp_path)


def test_all_manifests_below_a_folder_are_read(editor: FolderEditor) -> None:
    editor.path("sub/deeper").mkdir(parents=True)
    editor.path("a.yaml").write_text(service("a", 1) + service("b", 2))
    editor.path("sub/deeper/c.yml").write_text(service("c", 3))
    json = '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "d"}, "spec": {"ports": [{"port": 4}]}}'
    editor.path("sub/d.json").write_text(json)
    editor.path("notes.txt").write_text(service("e", 5))
    editor.take(editor.source.rescan())
    assert editor.ports() == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert editor.findings_in() == []


@pytest.mark.parametrize(
    "name", [".a.yaml", ".#a.yaml", "#a.yaml#", "a.yaml~", ".a.yaml.swp", "~a.yaml", ".git/a.yaml", "..2024/a.yaml"]
)
def test_hidden_files_and_what_editors_leave_are_not_read(editor: FolderEditor, name: str) -> None:
    editor.write(name, service("a"))
    assert editor.ports() == {}


def test_a_single_file_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path, [tmp_path / "mesh.conf"])
    editor.write("mesh.conf", service("a", 1))
    editor.write("other.yaml", service("b", 1))
    assert editor.ports() == {"a": 1}


def test_a_given_path_that_does_not_exist_is_reported_until_it_does(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path, [tmp_path / "later"])
    editor.take(editor.source.rescan())
    assert [f.message for f in editor.findings_in()] == ["cannot be read: No such file or directory"]
    editor.write("later/a.yaml", service("a"))
    assert editor.ports() == {"a": 80}
    assert editor.findings_in() == []


def test_an_unchanged_folder_changes_nothing_and_is_not_read_again(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a"))
    status = editor.path("a.yaml").stat()
    assert not editor.look()
    editor.path("a.yaml").write_text(service("b"))
    os.utime(editor.path("a.yaml"), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not editor.look()
    assert len(editor.look("a.yaml").changes) == 2


def test_a_touched_file_with_the_same_content_changes_nothing(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a"))
    assert not editor.write("a.yaml", "# a comment\n", service("a"))
    assert editor.source.locate(ref("a"), "") == (str(editor.path("a.yaml")), 3)


def test_a_deleted_file_removes_its_objects(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a"))
    editor.write("sub/b.yaml", service("b"), service("c"))
    shutil.rmtree(editor.path("sub"))
    editor.look()
    assert editor.ports() == {"a": 80}
    editor.remove("a.yaml")
    assert editor.ports() == {}


def test_a_document_taken_out_of_a_good_file_removes_its_object(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a"), service("b"))
    editor.write("a.yaml", service("b"))
    assert editor.ports() == {"b": 80}


@pytest.mark.parametrize("content", [BROKEN, "a: &a [*a]", "\x00", "a: !!python/name:x y", "[" * 100_000])
def test_a_half_written_file_never_removes_what_serves(editor: FolderEditor, content: str) -> None:
    editor.write("a.yaml", service("a"), service("b"))
    assert editor.write("a.yaml", content).changes == ()
    assert editor.ports() == {"a": 80, "b": 80}
    (finding,) = editor.findings_in("a.yaml")
    assert finding.message.endswith("; still serving the 2 objects last read from it")
    assert finding.about == Ref("", "", str(editor.path("a.yaml")))
    assert finding.severity is Severity.ERROR
    assert finding.line >= 1
    editor.write("a.yaml", service("b"))
    assert editor.ports() == {"b": 80}
    assert editor.findings_in() == []


def test_a_broken_file_of_one_object_names_the_generation_that_serves(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a", 1))
    editor.write("a.yaml", service("a", 2))
    editor.write("a.yaml", BROKEN)
    (finding,) = editor.findings_in()
    assert "serving generation 2 of Service default/a" in finding.message


def test_a_file_that_was_never_good_serves_nothing_and_says_why(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a"), "---\n", BROKEN)
    (finding,) = editor.findings_in()
    assert "serving" not in finding.message
    assert (finding.file, finding.line) == (str(editor.path("a.yaml")), 13)
    assert editor.ports() == {}


@pytest.mark.parametrize("content", ["", "\n  \n", "# gone\n", "---\n---\n"])
def test_an_emptied_file_never_removes_what_serves(editor: FolderEditor, content: str) -> None:
    editor.write("a.yaml", service("a", 1))
    editor.write("a.yaml", content)
    assert editor.ports() == {"a": 1}
    (finding,) = editor.findings_in()
    assert "empty" in finding.message
    assert "serving generation 1" in finding.message


def test_an_empty_file_that_held_nothing_is_fine(editor: FolderEditor) -> None:
    assert not editor.write("a.yaml", "# to do\n")


def test_an_empty_list_removes_its_objects(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a"))
    editor.write("a.yaml", "apiVersion: v1\nkind: List\nitems: []\n")
    assert editor.ports() == {}
    assert editor.findings_in() == []


def test_a_file_over_the_limit_is_rejected_unread_and_its_objects_keep_serving(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a"))
    with editor.path("a.yaml").open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    editor.look("a.yaml")
    assert editor.ports() == {"a": 80}
    (finding,) = editor.findings_in()
    assert f"{MAX_BYTES:,}" in finding.message
    assert "serving generation 1" in finding.message


def test_a_file_that_cannot_be_opened_keeps_its_objects_and_is_tried_again(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a"))
    editor.path("a.yaml").unlink()
    editor.path("a.yaml").symlink_to("nowhere")
    editor.look()
    assert editor.ports() == {"a": 80}
    (finding,) = editor.findings_in()
    assert "cannot be read" in finding.message
    assert "serving" in finding.message
    editor.path("nowhere").write_text(service("a", 81))
    editor.look()
    assert editor.ports() == {"a": 81}
    assert editor.findings_in() == []


def test_a_pipe_with_the_name_of_a_manifest_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    editor = FolderEditor(tmp_path, [tmp_path / "a.yaml"])
    editor.look()
    assert [f.message for f in editor.findings_in()] == ["not a regular file; move it away or replace it"]


@pytest.mark.parametrize(("writes", "port"), [(1, 2), (3, 2), (1000, 1)])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    editor: FolderEditor, monkeypatch: pytest.MonkeyPatch, writes: int, port: int
) -> None:
    editor.write("a.yaml", service("a", 1))
    appends, fstat = iter(range(writes)), os.fstat

    def then_append(file: int) -> os.stat_result:
        status = fstat(file)
        if next(appends, None) is not None:
            with editor.path("a.yaml").open("a") as more:
                more.write("# more\n")
        return status

    with monkeypatch.context() as busy:
        busy.setattr(os, "fstat", then_append)
        editor.write("a.yaml", service("a", 2))
    assert editor.ports() == {"a": port}
    message = "the file keeps changing while it is read; still serving generation 1 of Service default/a"
    assert [finding.message for finding in editor.findings_in()] == [message] * (port == 1)
    editor.look()
    assert editor.ports() == {"a": 2}
    assert editor.findings_in() == []


def test_a_given_folder_that_vanishes_keeps_serving_until_it_is_back(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path / "conf")
    editor.write("a.yaml", service("a"), service("b"))
    editor.root.rename(tmp_path / "away")
    editor.look()
    assert editor.ports() == {"a": 80, "b": 80}
    (finding,) = editor.findings_in()
    assert finding.message.endswith("serving the 2 objects last read from it")
    editor.write("a.yaml", service("a", 81))
    assert editor.ports() == {"a": 81}
    assert editor.findings_in() == []


def test_a_given_file_that_is_deleted_removes_its_objects(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path, [tmp_path / "a.yaml"])
    editor.write("a.yaml", service("a"))
    editor.remove("a.yaml")
    assert editor.ports() == {}
    assert len(editor.findings_in()) == 1


def test_a_document_that_fails_keeps_only_its_own_last_good_object(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a", 1), service("b", 1))
    editor.write("a.yaml", service("a", '"2"'), service("b", 2))
    assert editor.ports() == {"a": 1, "b": 2}
    (finding,) = editor.findings_in()
    assert finding.about == ref("a")
    assert finding.path == "spec.ports[0].port"
    assert "serving generation 1 of Service default/a" in finding.message
    assert (finding.file, finding.line) == (str(editor.path("a.yaml")), 8)


def test_a_document_that_fails_and_never_was_good_serves_nothing(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a", '"2"'), service("b", 2))
    assert editor.ports() == {"b": 2}
    assert "serving" not in editor.findings_in()[0].message


def test_while_a_document_has_no_identity_nothing_that_vanished_is_removed(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("a", 1), service("b", 1))
    editor.write("a.yaml", service("a", 2), service("B!", 1))
    assert editor.ports() == {"a": 2, "b": 1}
    (finding,) = editor.findings_in()
    assert "serving generation 1 of Service default/b" in finding.message
    assert finding.line == 13
    editor.write("a.yaml", service("a", 2))
    assert editor.ports() == {"a": 2}
    assert editor.findings_in() == []


def test_the_first_of_two_files_serves_and_the_second_takes_over(editor: FolderEditor) -> None:
    editor.path("b.yaml").write_text(service("x", 2))
    editor.path("a.yaml").write_text("\n" + service("x", 1))
    editor.take(editor.source.rescan())
    assert editor.ports() == {"x": 1}
    (finding,) = editor.findings_in()
    assert finding.file == str(editor.path("b.yaml"))
    assert f"{editor.path('a.yaml')}:6" in finding.message
    assert (finding.about, finding.line) == (ref("x"), 5)
    editor.remove("a.yaml")
    assert editor.ports() == {"x": 2}
    assert editor.findings_in() == []


def test_a_new_file_does_not_take_over_from_the_one_that_serves(editor: FolderEditor) -> None:
    editor.write("b.yaml", service("x", 2))
    editor.write("a.yaml", service("x", 1))
    assert editor.ports() == {"x": 2}
    assert [f.file for f in editor.findings_in()] == [str(editor.path("a.yaml"))]
    editor.write("b.yaml", "# a line more\n", service("x", 2))
    assert f"{editor.path('b.yaml')}:6" in editor.findings_in("a.yaml")[0].message
    editor.write("b.yaml", BROKEN)
    assert editor.ports() == {"x": 2}


def test_the_first_of_two_documents_in_one_file_serves_and_the_second_takes_over(editor: FolderEditor) -> None:
    editor.write("a.yaml", service("x", 1), service("x", 2))
    assert editor.ports() == {"x": 1}
    (finding,) = editor.findings_in()
    assert f"{editor.path('a.yaml')}:5" in finding.message
    assert finding.line == 13
    editor.write("a.yaml", service("x", 2))
    assert editor.ports() == {"x": 2}
    assert editor.findings_in() == []


def test_generations_count_accepted_changes_of_spec_labels_and_annotations(editor: FolderEditor) -> None:
    def generation(*documents: str) -> int:
        editor.write("a.yaml", *documents)
        return editor.objects[ref("a")].generation

    assert generation(service("a", 1)) == 1
    assert generation("# moved\n", service("a", 1)) == 1
    assert generation(service("a", 1, labels="{x: z}")) == 2
    assert generation(service("a", "x", labels="{x: z}")) == 2
    assert generation(service("a", 1, annotations="{x: z}")) == 3
    assert generation(service("a", 1, creationTimestamp="2026-01-01T00:00:00Z", annotations="{x: z}")) == 3
    assert generation(service("a", 2, generation=40)) == 40
    assert generation(service("a", 3)) == 41


def test_a_list_serves_its_items_with_their_lines(editor: FolderEditor) -> None:
    item = "- apiVersion: v1\n  kind: Service\n  metadata: {name: %s}\n  spec: {ports: [{port: %s}]}\n"
    editor.write("a.yaml", "apiVersion: v1\nkind: List\nitems:\n", item % ("a", 1), item % ("b", '"x"'))
    assert editor.ports() == {"a": 1}
    assert editor.source.locate(ref("a"), "spec.ports[0].port") == (str(editor.path("a.yaml")), 7)
    assert [(f.about, f.line) for f in editor.findings_in()] == [(ref("b"), 11)]


def test_locate_answers_for_what_serves_only(editor: FolderEditor) -> None:
    editor.write("a.yaml", "\n", service("a"))
    assert editor.source.locate(ref("a"), "spec.ports[0].port") == (str(editor.path("a.yaml")), 9)
    assert editor.source.locate(ref("a"), "spec.selector[app]") == (str(editor.path("a.yaml")), 7)
    assert editor.source.locate(ref("b"), "spec") is None


def test_kinds_of_others_are_counted_and_nothing_more(editor: FolderEditor) -> None:
    deployment = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
    editor.write("a.yaml", deployment, deployment, service("a"))
    assert editor.source.ignored == {"apps/Deployment": 2}
    assert editor.findings_in() == []


def test_an_object_that_fails_validation_keeps_the_one_before(tmp_path: Path) -> None:
    def accept(obj: AnyObject) -> list[Finding]:
        return [Finding(obj.ref, "No", "port 13 is bad luck", "spec.ports")] if obj.spec.ports[0].port == 13 else []

    editor = FolderEditor(tmp_path)
    editor.source = FileSource([tmp_path], REGISTRY, accept)
    editor.write("a.yaml", service("a", 12))
    editor.write("a.yaml", service("a", 13))
    assert editor.ports() == {"a": 12}
    assert "bad luck; still serving generation 1" in editor.findings_in()[0].message


def test_a_check_that_fails_keeps_the_object_before(tmp_path: Path) -> None:
    def accept(obj: AnyObject) -> list[Finding]:
        assert obj.spec.ports[0].port != 13
        return []

    editor = FolderEditor(tmp_path)
    editor.source = FileSource([tmp_path], REGISTRY, accept)
    editor.write("a.yaml", service("a", 12), service("b", 1))
    editor.write("a.yaml", service("a", 13), service("b", 2))
    assert editor.ports() == {"a": 12, "b": 2}
    (finding,) = editor.findings_in()
    assert finding.reason == "InternalError"
    assert "failed to validate this object: AssertionError" in finding.message
    assert "serving generation 1 of Service default/a" in finding.message


def test_a_key_with_a_line_end_forges_no_line_and_is_found_in_its_file(editor: FolderEditor) -> None:
    editor.write("a.yaml", MIRRORING, '  "x\\nb:1: error Forged": 1\n')
    (finding,) = editor.findings_in()
    assert finding.line == 1 + MIRRORING.count("\n")
    assert len(finding_line(finding).splitlines()) == 1
    assert "spec.x\\nb:1: error Forged" in finding_line(finding)


def test_folders_are_read_down_to_a_depth_and_deeper_ones_are_reported(editor: FolderEditor) -> None:
    folders = [editor.root]
    for _ in range(600):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    for depth in (0, MAX_DEPTH, MAX_DEPTH + 1, 600):
        (folders[depth] / "a.yaml").write_text(service(f"a{depth}"))
    editor.look()
    assert editor.ports() == {"a0": 80, f"a{MAX_DEPTH}": 80}
    (finding,) = editor.findings_in()
    assert finding.file == str(folders[MAX_DEPTH + 1])
    assert finding.message == "cannot be read: more than 32 folders deep"
    for folder in reversed(folders[MAX_DEPTH + 1 :]):  # also because not every tool can remove it
        (folder / "a.yaml").unlink(missing_ok=True)
        folder.rmdir()
    editor.look()
    assert editor.findings_in() == []
    assert editor.ports() == {"a0": 80, f"a{MAX_DEPTH}": 80}


def test_a_mounted_config_map_is_seen_through_its_links(editor: FolderEditor) -> None:
    swap(editor.root, 1, service("a", 1))
    editor.path("a.yaml").symlink_to("..data/a.yaml")
    editor.look()
    assert editor.ports() == {"a": 1}
    swap(editor.root, 2, service("a", 2))
    editor.look()
    assert editor.ports() == {"a": 2}
    assert editor.findings_in() == []


def test_links_in_a_circle_end(editor: FolderEditor) -> None:
    editor.write("sub/a.yaml", service("a"))
    editor.path("sub/loop").symlink_to(editor.root)
    editor.path("sub/self").symlink_to("self")
    assert list(Listing([editor.root]).files) == [str(editor.path("sub/a.yaml"))]
    editor.look()
    assert editor.findings_in() == []


def test_a_finding_says_which_document_of_a_file_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    service_template = "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {ports: [{port: %s}]}\n"
    path.write_text(service_template % ("a", 80) + "---\n" + service_template % ("b", 80))
    source = FileSource([tmp_path], REGISTRY)
    source.rescan()

    path.write_text(service_template % ("a", 80) + "---\n" + service_template % ("b", '"80"'))
    (finding,) = source.rescan().findings[str(path)]
    assert "(document 2); still serving generation 1 of Service default/b" in finding.message
    assert finding.line == 9

    path.write_text(service_template % ("a", 80) + "---\n[")
    (finding,) = source.rescan().findings[str(path)]
    assert finding.message.startswith("document 2: ")
