"""The file source under any sequence of edits, and under real events."""

import asyncio
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mirrorplane.controlplane.sources.files import settle, source
from mirrorplane.controlplane.sources.files.settle import until_quiet
from tests.controlplane.sources.files.edited_folder import BROKEN, MIRRORING, FolderEditor, service, swap
from tests.profiles import examples

NAMES = ("a", "b", "c")
FILES = ("1.yaml", "2.yaml", "sub/3.yaml")
GOOD, BAD, NAMELESS = "good", "bad", "nameless"
DOCUMENTS = st.lists(
    st.tuples(st.sampled_from([GOOD, GOOD, GOOD, BAD, NAMELESS]), st.sampled_from(NAMES), st.integers(1, 4)), max_size=4
)
Slot = tuple[str, str, int]
"""A file, a name, and which document of that name in the file."""


class Edits(RuleBasedStateMachine):
    """Any edits of a few files, against the rules written once more as plainly as possible."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.editor = FolderEditor(self.root)
        self.good: dict[Slot, int] = {}
        self.all_good: dict[str, bool] = {}
        self.expected: dict[str, tuple[Slot, int, int]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(file=st.sampled_from(FILES), documents=DOCUMENTS)
    def write(self, file: str, documents: list[tuple[str, str, int]]) -> None:
        texts = [
            service("X!" if how == NAMELESS else name, '"x"' if how == BAD else port) for how, name, port in documents
        ]
        before = {slot: port for slot, port in self.good.items() if slot[0] == file}
        now: dict[Slot, int] = {}
        counts: Counter[str] = Counter()
        for how, name, port in documents:
            slot = (file, name, counts[name])
            counts[name] += how != NAMELESS
            if how == GOOD:
                now[slot] = port
            elif how == BAD and slot in before:
                now[slot] = before[slot]
        nameless = any(how == NAMELESS for how, _, _ in documents)
        retained = before if nameless or not documents else {}
        self.become(
            file, {**retained, **now}, all(how == GOOD for how, _, _ in documents) and not (before and not documents)
        )
        self.editor.write(file, *texts)

    @rule(file=st.sampled_from(FILES))
    def break_off(self, file: str) -> None:
        self.become(file, {slot: port for slot, port in self.good.items() if slot[0] == file}, False)
        self.editor.write(file, BROKEN)

    @rule(file=st.sampled_from(FILES))
    def delete(self, file: str) -> None:
        self.become(file, {}, True)
        self.editor.path(file).unlink(missing_ok=True)
        self.editor.look()

    def become(self, file: str, slots: dict[Slot, int], all_good: bool) -> None:
        self.good = {slot: port for slot, port in self.good.items() if slot[0] != file} | slots
        self.all_good[file] = all_good
        for name in NAMES:
            slots_of = sorted(slot for slot in self.good if slot[1] == name)
            was = self.expected.pop(name, None)
            if slots_of:
                slot = was[0] if was and was[0] in slots_of else slots_of[0]
                port = self.good[slot]
                self.expected[name] = (slot, port, was[2] + (port != was[1]) if was else 1)

    @invariant()
    def what_serves_is_what_the_rules_say(self) -> None:
        serving = {ref.name: (obj.spec.ports[0].port, obj.generation) for ref, obj in self.editor.objects.items()}
        assert serving == {name: (port, generation) for name, (_, port, generation) in self.expected.items()}

    @invariant()
    def every_mistake_is_reported_and_nothing_else(self) -> None:
        for file in FILES:
            findings = self.editor.findings.get(str(self.editor.path(file)), ())
            shadowed = any(slot[0] == file and self.expected[slot[1]][0] != slot for slot in self.good)
            assert self.all_good.get(file, True) or any(f.reason != "Duplicate" for f in findings)
            assert not findings or shadowed or not self.all_good[file]
            assert all(f.file == str(self.editor.path(file)) for f in findings)

    @invariant()
    def another_look_is_no_news(self) -> None:
        assert not self.editor.look(*(file for file in FILES if self.editor.path(file).exists()))

    @invariant()
    def a_restart_serves_the_same_names_when_all_files_are_good(self) -> None:
        if all(self.all_good.values()):
            fresh = FolderEditor(self.root)
            fresh.take(fresh.source.rescan())
            assert fresh.objects.keys() == self.editor.objects.keys()


TestEdits = Edits.TestCase
TestEdits.settings = settings(max_examples=examples(0.6), stateful_step_count=15)


def cut(text: str, *places: str) -> list[str]:
    """Return the text in pieces, cut before each of the places."""
    for place in places:
        text = text.replace(place, f"\0{place}")
    return [piece for piece in text.split("\0") if piece]


def mirroring(port: int, percent: int) -> str:
    return f"{service('a', port)}{MIRRORING}    mirrorPercentage: {{value: {percent}}}\n{service('b', port)}"


async def test_a_file_that_is_written_piece_by_piece_is_never_read_as_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the writer may pause for longer than the 0.2 s after which a file counts as complete.
    monkeypatch.setattr(settle, "QUIET_S", 1.0)
    monkeypatch.setattr(source, "_LONGEST_WAIT_S", 60.0)
    editor = FolderEditor(tmp_path)
    old, new = mirroring(1, 10), mirroring(2, 20)
    editor.write("a.yaml", old)
    versions = {ref: [obj.spec] for ref, obj in editor.objects.items()}
    stop = asyncio.Event()

    def rewrite(text: str) -> None:
        with editor.path("a.yaml").open("w") as file:
            for piece in cut(text, "---\n", "  ports:", "    mirror", "    mirrorPercentage"):
                time.sleep(0.04)
                file.write(piece)
                file.flush()

    async with asyncio.timeout(60), aclosing(editor.source.watch(stop)) as batches:
        for text, port in [(new, 2), (old, 1), (new, 2)]:
            writing = asyncio.create_task(asyncio.to_thread(rewrite, text))
            async for batch in batches:
                editor.take(batch)
                for change in batch.changes:
                    assert change.obj is not None
                    versions[change.ref].append(change.obj.spec)
                assert editor.findings_in() == []
                if editor.ports() == {"a": port, "b": port}:
                    break
            await writing
        stop.set()
    assert {ref.name: len(specs) for ref, specs in versions.items()} == {"a": 4, "b": 4, "v": 4}
    assert all(specs[:2] == specs[2:] != specs[:1] * 2 for specs in versions.values())


async def test_a_file_that_is_written_without_end_is_read_all_the_same(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path)
    editor.write("a.yaml", service("a", 1))
    stop, enough = asyncio.Event(), threading.Event()

    def write_on() -> None:
        editor.path("a.yaml").write_text(service("a", 2))
        while not enough.wait(0.05):
            with editor.path("a.yaml").open("a") as file:
                file.write("# more\n")

    writing = asyncio.create_task(asyncio.to_thread(write_on))
    try:
        async with asyncio.timeout(60), aclosing(editor.source.watch(stop)) as batches:
            async for batch in batches:
                editor.take(batch)
                break
    finally:
        enough.set()
        await writing
    assert editor.ports() == {"a": 2}


NOW = 1_000_000.0
LAST = (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("last", "inode", "age", "touched", "wait"),
    [
        (LAST, 1, 0.05, False, 0.15),
        (LAST, 1, 0.05, True, 0.15),
        (LAST, 1, 0.2, True, 0.0),
        (LAST, 1, -0.1, True, 0.2),
        (LAST, 1, -0.3, True, 0.0),
        (LAST, 2, 0.0, True, 0.0),
        (None, 1, 0.05, False, 0.15),
        ("same", 1, 0.05, True, 0.15),
        ("same", 1, 0.05, False, 0.0),
    ],
)
def test_a_file_is_waited_for_when_it_was_just_written_where_it_is(
    last: Any, inode: int, age: float, touched: bool, wait: float
) -> None:
    mark = (1, inode, round((NOW - age) * 1e9), 7)
    read_as = {"/a.yaml": mark if last == "same" else last} if last else {}
    seconds = until_quiet({"/a.yaml": mark}, read_as, {"/a.yaml"} if touched else set(), NOW)
    assert seconds == pytest.approx(wait, abs=1e-6)


async def test_watching_sees_every_kind_of_change(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path / "conf")
    editor.write("a.yaml", service("a", 1))
    stop = asyncio.Event()

    async with asyncio.timeout(60), aclosing(editor.source.watch(stop)) as batches:

        async def until(ports: dict[str, int]) -> None:
            async for batch in batches:
                editor.take(batch)
                if editor.ports() == ports:
                    return

        editor.path("a.yaml").write_text(service("a", 2))
        await until({"a": 2})
        editor.path("sub").mkdir()
        editor.path("sub/b.yaml").write_text(service("b", 1))
        await until({"a": 2, "b": 1})
        editor.path(".new").write_text(service("a", 3))
        editor.path(".new").rename(editor.path("a.yaml"))
        await until({"a": 3, "b": 1})
        swap(editor.root, 1, service("c", 1))
        editor.path("c.yaml").symlink_to("..data/a.yaml")
        await until({"a": 3, "b": 1, "c": 1})
        swap(editor.root, 2, service("c", 2))
        await until({"a": 3, "b": 1, "c": 2})
        editor.root.rename(tmp_path / "away")
        async for batch in batches:
            editor.take(batch)
            break
        assert editor.ports() == {"a": 3, "b": 1, "c": 2}
        editor.path(".").mkdir()
        editor.path("a.yaml").write_text(service("a", 4))
        await until({"a": 4})
        stop.set()
        assert [batch async for batch in batches] == []
