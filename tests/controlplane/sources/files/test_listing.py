"""A listing that is brought up to date after events is the one that a new walk makes."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mirrorplane.controlplane.sources.files.listing import Listing, escaped, is_utf8

FOLDERS = st.sampled_from(["", "a", "b", "a/c", ".hidden"])
NAMES = st.sampled_from(["1.yaml", "2.yml", "notes.txt", "d.yaml", ".part", "a", "b"])


class Tree(RuleBasedStateMachine):
    """Any changes below a folder, each with the events that inotify has for it: of names, and of no link's target."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp()) / "mesh"
        self.root.mkdir()
        self.listing = Listing([self.root])
        self.touched: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.root.parent)

    def path(self, folder: str, name: str) -> Path:
        path = self.root / folder / name
        self.touched.add(str(path))
        return path

    @rule(folder=FOLDERS, name=NAMES, size=st.integers(0, 3))
    def write(self, folder: str, name: str, size: int) -> None:
        path = self.path(folder, name)
        if path.parent.is_dir() and not path.is_dir():
            path.unlink(missing_ok=True)
            path.write_text("x" * size)

    @rule(folder=FOLDERS, name=NAMES)
    def make_folder(self, folder: str, name: str) -> None:
        path = self.path(folder, name)
        if path.parent.is_dir() and not os.path.lexists(path):
            path.mkdir()

    @rule(folder=FOLDERS, name=NAMES)
    def delete(self, folder: str, name: str) -> None:
        path = self.path(folder, name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.parent.is_dir():
            path.unlink(missing_ok=True)

    @rule(before=st.tuples(FOLDERS, NAMES), after=st.tuples(FOLDERS, NAMES))
    def rename(self, before: tuple[str, str], after: tuple[str, str]) -> None:
        old, new = self.path(*before), self.path(*after)
        if os.path.lexists(old) and new.parent.is_dir() and not os.path.lexists(new) and old not in new.parents:
            old.rename(new)

    @rule(folder=FOLDERS, name=NAMES, to=st.sampled_from(["1.yaml", "../a", "a", ".hidden", "nowhere", "d.yaml", "."]))
    def link(self, folder: str, name: str, to: str) -> None:
        path = self.path(folder, name)
        if path.parent.is_dir() and not os.path.lexists(path):
            path.symlink_to(to)

    @invariant()
    def what_is_listed_is_what_a_new_walk_lists(self) -> None:
        before = dict(self.listing.files)
        differing = self.listing.refresh(self.touched)
        walked = Listing([self.root])
        self.touched.clear()
        if differing is None:
            self.listing = walked
            return
        assert self.listing.files == walked.files
        assert self.listing.unlisted.keys() == walked.unlisted.keys()
        paths = before.keys() | walked.files.keys()
        assert {path for path in paths if before.get(path) != walked.files.get(path)} <= differing


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_a_refresh_looks_at_what_was_touched_and_at_links_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        (tmp_path / f"{number}.yaml").write_text("")
    (tmp_path / "link.yaml").symlink_to("1.yaml")
    listing, stat, calls = Listing([tmp_path]), Path.stat, []

    def counted(path: Path, **options: bool) -> os.stat_result:
        calls.append(path.name)
        return stat(path, **options)

    with monkeypatch.context() as counting:
        counting.setattr(Path, "stat", counted)
        counting.setattr(os, "scandir", lambda _: pytest.fail("a folder was listed"))
        differing = listing.refresh({str(tmp_path / "7.yaml"), str(tmp_path / ".part")})
    assert differing == {str(tmp_path / "7.yaml"), str(tmp_path / "link.yaml")}
    assert sorted(calls) == ["7.yaml", "link.yaml"]


def test_a_relative_path_is_listed_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mesh").mkdir()
    listing = Listing([Path("mesh")])
    Path("mesh/a.yaml").write_text("")
    assert listing.refresh({str(tmp_path / "mesh" / "a.yaml")}) == {"mesh/a.yaml"}
    assert listing.files.keys() == {"mesh/a.yaml"}


def test_a_path_from_elsewhere_needs_a_walk(tmp_path: Path) -> None:
    assert Listing([tmp_path / "mesh"]).refresh({str(tmp_path / "other" / "a.yaml")}) is None


def test_a_name_that_is_not_utf8_is_escaped() -> None:
    path = os.fsdecode(b"mesh/\xff\xc3\xa4.yaml")
    assert (is_utf8(path), escaped(path)) == (False, "mesh/\\xff\u00e4.yaml")
    assert escaped("mesh/\u00e4.yaml") == "mesh/\u00e4.yaml"
