"""The file source: what a folder of manifests serves while people edit it."""

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
from tests.controlplane.sources.files.edited_folder import BROKEN, MIRRORING, REGISTRY, Desk, ref, service, swap


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_all_manifests_below_a_folder_are_read(desk: Desk) -> None:
    desk.path("sub/deeper").mkdir(parents=True)
    desk.path("a.yaml").write_text(service("a", 1) + service("b", 2))
    desk.path("sub/deeper/c.yml").write_text(service("c", 3))
    json = '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "d"}, "spec": {"ports": [{"port": 4}]}}'
    desk.path("sub/d.json").write_text(json)
    desk.path("notes.txt").write_text(service("e", 5))
    desk.take(desk.source.rescan())
    assert desk.ports() == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert desk.said() == []


@pytest.mark.parametrize(
    "name", [".a.yaml", ".#a.yaml", "#a.yaml#", "a.yaml~", ".a.yaml.swp", "~a.yaml", ".git/a.yaml", "..2024/a.yaml"]
)
def test_hidden_files_and_what_editors_leave_are_not_read(desk: Desk, name: str) -> None:
    desk.write(name, service("a"))
    assert desk.ports() == {}


def test_a_single_file_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [tmp_path / "mesh.conf"])
    desk.write("mesh.conf", service("a", 1))
    desk.write("other.yaml", service("b", 1))
    assert desk.ports() == {"a": 1}


def test_a_given_path_that_does_not_exist_is_told_until_it_does(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [tmp_path / "later"])
    desk.take(desk.source.rescan())
    assert [f.message for f in desk.said()] == ["cannot be read: No such file or directory"]
    desk.write("later/a.yaml", service("a"))
    assert desk.ports() == {"a": 80}
    assert desk.said() == []


def test_an_unchanged_folder_is_no_news_and_is_not_read_again(desk: Desk) -> None:
    desk.write("a.yaml", service("a"))
    status = desk.path("a.yaml").stat()
    assert not desk.look()
    desk.path("a.yaml").write_text(service("b"))
    os.utime(desk.path("a.yaml"), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not desk.look()
    assert len(desk.look("a.yaml").changes) == 2


def test_a_touched_file_with_the_same_content_is_no_news(desk: Desk) -> None:
    desk.write("a.yaml", service("a"))
    assert not desk.write("a.yaml", "# a comment\n", service("a"))
    assert desk.source.locate(ref("a"), "") == (str(desk.path("a.yaml")), 3)


def test_a_deleted_file_removes_its_objects(desk: Desk) -> None:
    desk.write("a.yaml", service("a"))
    desk.write("sub/b.yaml", service("b"), service("c"))
    shutil.rmtree(desk.path("sub"))
    desk.look()
    assert desk.ports() == {"a": 80}
    desk.remove("a.yaml")
    assert desk.ports() == {}


def test_a_document_taken_out_of_a_good_file_removes_its_object(desk: Desk) -> None:
    desk.write("a.yaml", service("a"), service("b"))
    desk.write("a.yaml", service("b"))
    assert desk.ports() == {"b": 80}


@pytest.mark.parametrize("content", [BROKEN, "a: &a [*a]", "\x00", "a: !!python/name:x y", "[" * 100_000])
def test_a_half_written_file_never_removes_what_serves(desk: Desk, content: str) -> None:
    desk.write("a.yaml", service("a"), service("b"))
    assert desk.write("a.yaml", content).changes == ()
    assert desk.ports() == {"a": 80, "b": 80}
    (finding,) = desk.said("a.yaml")
    assert finding.message.endswith("; still serving the 2 objects last read from it")
    assert finding.about == Ref("", "", str(desk.path("a.yaml")))
    assert finding.severity is Severity.ERROR
    assert finding.line >= 1
    desk.write("a.yaml", service("b"))
    assert desk.ports() == {"b": 80}
    assert desk.said() == []


def test_a_broken_file_of_one_object_names_the_generation_that_serves(desk: Desk) -> None:
    desk.write("a.yaml", service("a", 1))
    desk.write("a.yaml", service("a", 2))
    desk.write("a.yaml", BROKEN)
    (finding,) = desk.said()
    assert "serving generation 2 of Service default/a" in finding.message


def test_a_file_that_was_never_good_serves_nothing_and_says_why(desk: Desk) -> None:
    desk.write("a.yaml", service("a"), "---\n", BROKEN)
    (finding,) = desk.said()
    assert "serving" not in finding.message
    assert (finding.file, finding.line) == (str(desk.path("a.yaml")), 13)
    assert desk.ports() == {}


@pytest.mark.parametrize("content", ["", "\n  \n", "# gone\n", "---\n---\n"])
def test_an_emptied_file_never_removes_what_serves(desk: Desk, content: str) -> None:
    desk.write("a.yaml", service("a", 1))
    desk.write("a.yaml", content)
    assert desk.ports() == {"a": 1}
    (finding,) = desk.said()
    assert "empty" in finding.message
    assert "serving generation 1" in finding.message


def test_an_empty_file_that_held_nothing_is_fine(desk: Desk) -> None:
    assert not desk.write("a.yaml", "# to do\n")


def test_an_empty_list_is_meant(desk: Desk) -> None:
    desk.write("a.yaml", service("a"))
    desk.write("a.yaml", "apiVersion: v1\nkind: List\nitems: []\n")
    assert desk.ports() == {}
    assert desk.said() == []


def test_a_file_over_the_limit_is_refused_unread_and_its_objects_go_on(desk: Desk) -> None:
    desk.write("a.yaml", service("a"))
    with desk.path("a.yaml").open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    desk.look("a.yaml")
    assert desk.ports() == {"a": 80}
    (finding,) = desk.said()
    assert f"{MAX_BYTES:,}" in finding.message
    assert "serving generation 1" in finding.message


def test_a_file_that_cannot_be_opened_keeps_its_objects_and_is_tried_again(desk: Desk) -> None:
    desk.write("a.yaml", service("a"))
    desk.path("a.yaml").unlink()
    desk.path("a.yaml").symlink_to("nowhere")
    desk.look()
    assert desk.ports() == {"a": 80}
    (finding,) = desk.said()
    assert "cannot be read" in finding.message
    assert "serving" in finding.message
    desk.path("nowhere").write_text(service("a", 81))
    desk.look()
    assert desk.ports() == {"a": 81}
    assert desk.said() == []


def test_a_pipe_with_the_name_of_a_manifest_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    desk = Desk(tmp_path, [tmp_path / "a.yaml"])
    desk.look()
    assert [f.message for f in desk.said()] == ["not a regular file; move it away or replace it"]


@pytest.mark.parametrize(("writes", "port"), [(1, 2), (3, 2), (1000, 1)])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, writes: int, port: int
) -> None:
    desk.write("a.yaml", service("a", 1))
    left, fstat = iter(range(writes)), os.fstat

    def then_somebody_writes(file: int) -> os.stat_result:
        status = fstat(file)
        if next(left, None) is not None:
            with desk.path("a.yaml").open("a") as more:
                more.write("# more\n")
        return status

    with monkeypatch.context() as busy:
        busy.setattr(os, "fstat", then_somebody_writes)
        desk.write("a.yaml", service("a", 2))
    assert desk.ports() == {"a": port}
    message = "the file keeps changing while it is read; still serving generation 1 of Service default/a"
    assert [finding.message for finding in desk.said()] == [message] * (port == 1)
    desk.look()
    assert desk.ports() == {"a": 2}
    assert desk.said() == []


def test_a_given_folder_that_vanishes_keeps_serving_until_it_is_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "conf")
    desk.write("a.yaml", service("a"), service("b"))
    desk.root.rename(tmp_path / "away")
    desk.look()
    assert desk.ports() == {"a": 80, "b": 80}
    (finding,) = desk.said()
    assert finding.message.endswith("serving the 2 objects last read from it")
    desk.write("a.yaml", service("a", 81))
    assert desk.ports() == {"a": 81}
    assert desk.said() == []


def test_a_given_file_that_is_deleted_removes_its_objects(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [tmp_path / "a.yaml"])
    desk.write("a.yaml", service("a"))
    desk.remove("a.yaml")
    assert desk.ports() == {}
    assert len(desk.said()) == 1


def test_a_document_that_fails_keeps_only_its_own_last_good_object(desk: Desk) -> None:
    desk.write("a.yaml", service("a", 1), service("b", 1))
    desk.write("a.yaml", service("a", '"2"'), service("b", 2))
    assert desk.ports() == {"a": 1, "b": 2}
    (finding,) = desk.said()
    assert finding.about == ref("a")
    assert finding.path == "spec.ports[0].port"
    assert "serving generation 1 of Service default/a" in finding.message
    assert (finding.file, finding.line) == (str(desk.path("a.yaml")), 8)


def test_a_document_that_fails_and_never_was_good_serves_nothing(desk: Desk) -> None:
    desk.write("a.yaml", service("a", '"2"'), service("b", 2))
    assert desk.ports() == {"b": 2}
    assert "serving" not in desk.said()[0].message


def test_while_a_document_has_no_identity_nothing_that_vanished_is_removed(desk: Desk) -> None:
    desk.write("a.yaml", service("a", 1), service("b", 1))
    desk.write("a.yaml", service("a", 2), service("B!", 1))
    assert desk.ports() == {"a": 2, "b": 1}
    (finding,) = desk.said()
    assert "serving generation 1 of Service default/b" in finding.message
    assert finding.line == 13
    desk.write("a.yaml", service("a", 2))
    assert desk.ports() == {"a": 2}
    assert desk.said() == []


def test_the_first_of_two_files_serves_and_the_second_takes_over(desk: Desk) -> None:
    desk.path("b.yaml").write_text(service("x", 2))
    desk.path("a.yaml").write_text("\n" + service("x", 1))
    desk.take(desk.source.rescan())
    assert desk.ports() == {"x": 1}
    (finding,) = desk.said()
    assert finding.file == str(desk.path("b.yaml"))
    assert f"{desk.path('a.yaml')}:6" in finding.message
    assert (finding.about, finding.line) == (ref("x"), 5)
    desk.remove("a.yaml")
    assert desk.ports() == {"x": 2}
    assert desk.said() == []


def test_a_new_file_does_not_take_over_from_the_one_that_serves(desk: Desk) -> None:
    desk.write("b.yaml", service("x", 2))
    desk.write("a.yaml", service("x", 1))
    assert desk.ports() == {"x": 2}
    assert [f.file for f in desk.said()] == [str(desk.path("a.yaml"))]
    desk.write("b.yaml", "# a line more\n", service("x", 2))
    assert f"{desk.path('b.yaml')}:6" in desk.said("a.yaml")[0].message
    desk.write("b.yaml", BROKEN)
    assert desk.ports() == {"x": 2}


def test_the_first_of_two_documents_in_one_file_serves_and_the_second_takes_over(desk: Desk) -> None:
    desk.write("a.yaml", service("x", 1), service("x", 2))
    assert desk.ports() == {"x": 1}
    (finding,) = desk.said()
    assert f"{desk.path('a.yaml')}:5" in finding.message
    assert finding.line == 13
    desk.write("a.yaml", service("x", 2))
    assert desk.ports() == {"x": 2}
    assert desk.said() == []


def test_generations_count_accepted_changes_of_spec_labels_and_annotations(desk: Desk) -> None:
    def generation(*documents: str) -> int:
        desk.write("a.yaml", *documents)
        return desk.objects[ref("a")].generation

    assert generation(service("a", 1)) == 1
    assert generation("# moved\n", service("a", 1)) == 1
    assert generation(service("a", 1, labels="{x: z}")) == 2
    assert generation(service("a", "x", labels="{x: z}")) == 2
    assert generation(service("a", 1, annotations="{x: z}")) == 3
    assert generation(service("a", 1, creationTimestamp="2026-01-01T00:00:00Z", annotations="{x: z}")) == 3
    assert generation(service("a", 2, generation=40)) == 40
    assert generation(service("a", 3)) == 41


def test_a_list_serves_its_items_with_their_lines(desk: Desk) -> None:
    item = "- apiVersion: v1\n  kind: Service\n  metadata: {name: %s}\n  spec: {ports: [{port: %s}]}\n"
    desk.write("a.yaml", "apiVersion: v1\nkind: List\nitems:\n", item % ("a", 1), item % ("b", '"x"'))
    assert desk.ports() == {"a": 1}
    assert desk.source.locate(ref("a"), "spec.ports[0].port") == (str(desk.path("a.yaml")), 7)
    assert [(f.about, f.line) for f in desk.said()] == [(ref("b"), 11)]


def test_locate_answers_for_what_serves_only(desk: Desk) -> None:
    desk.write("a.yaml", "\n", service("a"))
    assert desk.source.locate(ref("a"), "spec.ports[0].port") == (str(desk.path("a.yaml")), 9)
    assert desk.source.locate(ref("a"), "spec.selector[app]") == (str(desk.path("a.yaml")), 7)
    assert desk.source.locate(ref("b"), "spec") is None


def test_kinds_of_others_are_counted_and_nothing_more(desk: Desk) -> None:
    deployment = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
    desk.write("a.yaml", deployment, deployment, service("a"))
    assert desk.source.ignored == {"apps/Deployment": 2}
    assert desk.said() == []


def test_an_object_that_is_refused_on_its_own_keeps_the_one_before(tmp_path: Path) -> None:
    def accept(obj: AnyObject) -> list[Finding]:
        return [Finding(obj.ref, "No", "port 13 is bad luck", "spec.ports")] if obj.spec.ports[0].port == 13 else []

    desk = Desk(tmp_path)
    desk.source = FileSource([tmp_path], REGISTRY, accept)
    desk.write("a.yaml", service("a", 12))
    desk.write("a.yaml", service("a", 13))
    assert desk.ports() == {"a": 12}
    assert "bad luck; still serving generation 1" in desk.said()[0].message


def test_a_check_that_fails_keeps_the_object_before(tmp_path: Path) -> None:
    def accept(obj: AnyObject) -> list[Finding]:
        assert obj.spec.ports[0].port != 13
        return []

    desk = Desk(tmp_path)
    desk.source = FileSource([tmp_path], REGISTRY, accept)
    desk.write("a.yaml", service("a", 12), service("b", 1))
    desk.write("a.yaml", service("a", 13), service("b", 2))
    assert desk.ports() == {"a": 12, "b": 2}
    (finding,) = desk.said()
    assert finding.reason == "InternalError"
    assert "failed to validate this object: AssertionError" in finding.message
    assert "serving generation 1 of Service default/a" in finding.message


def test_a_key_with_a_line_end_forges_no_line_and_is_found_in_its_file(desk: Desk) -> None:
    desk.write("a.yaml", MIRRORING, '  "x\\nb:1: error Forged": 1\n')
    (finding,) = desk.said()
    assert finding.line == 1 + MIRRORING.count("\n")
    assert len(finding_line(finding).splitlines()) == 1
    assert "spec.x\\nb:1: error Forged" in finding_line(finding)


def test_folders_are_read_down_to_a_depth_and_what_lies_deeper_is_told(desk: Desk) -> None:
    folders = [desk.root]
    for _ in range(600):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    for depth in (0, MAX_DEPTH, MAX_DEPTH + 1, 600):
        (folders[depth] / "a.yaml").write_text(service(f"a{depth}"))
    desk.look()
    assert desk.ports() == {"a0": 80, f"a{MAX_DEPTH}": 80}
    (finding,) = desk.said()
    assert finding.file == str(folders[MAX_DEPTH + 1])
    assert finding.message == "cannot be read: more than 32 folders deep"
    for folder in reversed(folders[MAX_DEPTH + 1 :]):  # also because not every tool can remove it
        (folder / "a.yaml").unlink(missing_ok=True)
        folder.rmdir()
    desk.look()
    assert desk.said() == []
    assert desk.ports() == {"a0": 80, f"a{MAX_DEPTH}": 80}


def test_a_mounted_config_map_is_seen_through_its_links(desk: Desk) -> None:
    swap(desk.root, 1, service("a", 1))
    desk.path("a.yaml").symlink_to("..data/a.yaml")
    desk.look()
    assert desk.ports() == {"a": 1}
    swap(desk.root, 2, service("a", 2))
    desk.look()
    assert desk.ports() == {"a": 2}
    assert desk.said() == []


def test_links_in_a_circle_end(desk: Desk) -> None:
    desk.write("sub/a.yaml", service("a"))
    desk.path("sub/loop").symlink_to(desk.root)
    desk.path("sub/self").symlink_to("self")
    assert list(Listing([desk.root]).files) == [str(desk.path("sub/a.yaml"))]
    desk.look()
    assert desk.said() == []


def test_a_finding_says_which_document_of_a_file_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    good = "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {ports: [{port: %s}]}\n"
    path.write_text(good % ("a", 80) + "---\n" + good % ("b", 80))
    source = FileSource([tmp_path], REGISTRY)
    source.rescan()

    path.write_text(good % ("a", 80) + "---\n" + good % ("b", '"80"'))
    (said,) = source.rescan().findings[str(path)]
    assert "(document 2); still serving generation 1 of Service default/b" in said.message
    assert said.line == 9

    path.write_text(good % ("a", 80) + "---\n[")
    (said,) = source.rescan().findings[str(path)]
    assert said.message.startswith("document 2: ")
