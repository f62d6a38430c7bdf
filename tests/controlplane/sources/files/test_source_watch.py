"""The file source under real events: what must not end it, hide an object, or cost a walk."""

import asyncio
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mirrorplane.api.finding import Severity
from mirrorplane.controlplane.sources.files.listing import Listing
from tests.controlplane.sources.files.edited_folder import FolderEditor, ref, service

NOT_UTF8 = os.fsdecode(b"\xff.yaml")


@asynccontextmanager
async def watched(editor: FolderEditor) -> AsyncIterator[Callable[[Callable[[], bool]], Any]]:
    """Watch a folder; yields what takes batches until a condition holds."""
    stop, taken = asyncio.Event(), asyncio.Event()

    async def follow() -> None:
        async for batch in editor.source.watch(stop):
            editor.take(batch)
            taken.set()

    async def until(reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not reached():
                taken.clear()
                await taken.wait()

    following = asyncio.create_task(follow())
    try:
        yield until
    finally:
        stop.set()
        await following


def messages(editor: FolderEditor) -> list[str]:
    return [finding.message for finding in editor.findings_in()]


@pytest.mark.parametrize("name", [b"\xff.txt", b"\xff.yaml", b"folder-\xff"])
async def test_a_name_that_is_not_utf8_is_reported_and_edits_are_followed(tmp_path: Path, name: bytes) -> None:
    editor = FolderEditor(tmp_path)
    editor.write("a.yaml", service("a", 1))
    bad = tmp_path / os.fsdecode(name)
    async with watched(editor) as until:
        editor.path("a.yaml").write_text(service("a", 2))
        await until(lambda: editor.ports() == {"a": 2})
        bad.mkdir() if b"folder" in name else bad.write_text(service("bad"))
        await until(lambda: messages(editor) == ["cannot be read: the name is not UTF-8; rename it"])
        [finding] = editor.findings_in()
        assert finding.file == f"{tmp_path}/{name.decode(errors='backslashreplace')}"
        editor.path("a.yaml").write_text(service("a", 3))
        await until(lambda: editor.ports() == {"a": 3})
        bad.rename(tmp_path / ("folder" if b"folder" in name else "good.yaml"))
        await until(lambda: messages(editor) == [])


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()
    (path / "loop").symlink_to("..")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


NOT_A_FILE = "not a regular file; move it away or replace it"
HOSTILE = {
    "pipe": (pipe, NOT_A_FILE),
    "socket": (bind_socket, NOT_A_FILE),
    "device": (device, NOT_A_FILE),
    "loop": (loop, "cannot be read: Too many levels of symbolic links"),
    "dangling": (dangling, "cannot be read: No such file or directory"),
    "folder": (folder, ""),
    "huge": (huge, "the limit of 33,554,432"),
}
"""What may have the name of a manifest, and words of the finding; "" for none."""


@pytest.mark.parametrize(("make", "words"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_is_no_manifest_but_has_its_name_is_reported_and_edits_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], words: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    editor = FolderEditor(tmp_path)
    editor.write("a.yaml", service("a", 1), service("b", 1))
    async with watched(editor) as until:
        make(editor.path("x.yaml"))
        if words:
            await until(lambda: any(words in message for message in messages(editor)))
        editor.path("a.yaml").write_text(service("a", 2) + service("b", 1))
        await until(lambda: editor.ports() == {"a": 2, "b": 1})
        editor.path("a.yaml").unlink()
        make(editor.path("a.yaml"))
        if words:
            await until(lambda: sum(words in message for message in messages(editor)) == 2)
            assert editor.ports() == {"a": 2, "b": 1}
        else:
            await until(lambda: editor.ports() == {})


async def test_a_file_that_vanishes_while_it_is_read_is_read_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = FolderEditor(tmp_path)
    editor.write("a.yaml", service("a", 1))
    open_file, vanished = os.open, []

    def vanish(path: Any, *rest: Any, **options: Any) -> int:
        if str(path).endswith("a.yaml") and not vanished:
            vanished.append(Path(path).read_text())
            Path(path).unlink()
        return open_file(path, *rest, **options)

    async with watched(editor) as until:
        monkeypatch.setattr(os, "open", vanish)
        editor.path(".part").write_text(service("a", 2))
        editor.path(".part").rename(editor.path("a.yaml"))
        while not vanished:
            await asyncio.sleep(0.01)
        editor.path("a.yaml").write_text(vanished[0])
        await until(lambda: editor.ports() == {"a": 2})


async def test_a_file_that_is_moved_while_folders_are_listed_is_never_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder that is still to be listed into one that was: the listing shows it under neither name."""
    editor = FolderEditor(tmp_path)
    editor.write("2/moved.yaml", service("a", 1))
    editor.write("1/b.yaml", service("b", 1))
    scandir, shown = os.scandir, []

    def move_first(path: Any) -> Any:
        if str(path) == str(tmp_path / "2") and not shown:
            shown.append({"a": 1, "b": 1})
            (tmp_path / "2/moved.yaml").rename(tmp_path / "1/moved.yaml")
        return scandir(path)

    def take(batch: Any, take: Any = editor.take) -> None:
        take(batch)
        shown.append(editor.ports())

    editor.take = take  # type: ignore[assignment, method-assign]
    async with watched(editor) as until:
        monkeypatch.setattr(os, "scandir", move_first)
        editor.source.reread()
        while not shown:
            await asyncio.sleep(0.01)
        editor.path("1/b.yaml").write_text(service("b", 2))
        await until(lambda: editor.ports()["b"] == 2)
        await until(lambda: editor.source.locate(ref("a"), "") == (str(tmp_path / "1/moved.yaml"), 2))
    assert all(ports["a"] == 1 for ports in shown)


async def test_a_folder_that_is_deleted_and_made_anew_keeps_serving_meanwhile(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path / "mesh")
    for name in ("a", "b", "c"):
        editor.write(f"{name}.yaml", service(name, 1))
    shutil.copytree(editor.root, tmp_path / "copy")
    (tmp_path / "copy/a.yaml").write_text(service("a", 2))
    async with watched(editor) as until:
        shutil.rmtree(editor.root)
        editor.root.mkdir()
        await until(lambda: bool(editor.findings_in()))
        assert editor.ports() == {"a": 1, "b": 1, "c": 1}
        [finding] = editor.findings_in()
        assert (finding.reason, finding.severity) == ("FilesMissing", Severity.WARNING)
        assert finding.message.startswith("3 of 3 files vanished at once; their objects keep serving")
        for name in ("a", "b"):
            shutil.copy(tmp_path / "copy" / f"{name}.yaml", editor.root)
        await until(lambda: editor.ports() == {"a": 2, "b": 1, "c": 1})
        assert "1 of 3 files" in messages(editor)[0]
        shutil.copy(tmp_path / "copy/c.yaml", editor.root)
        await until(lambda: messages(editor) == [])
        assert editor.ports() == {"a": 2, "b": 1, "c": 1}


async def test_many_files_that_stay_away_are_deleted_in_the_end(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path)
    for name in ("a", "b", "c", "d"):
        editor.write(f"{name}.yaml", service(name, 1))
    async with watched(editor) as until:
        for name in ("a", "b", "c"):
            editor.path(f"{name}.yaml").unlink()
        await until(lambda: bool(messages(editor)))
        assert len(editor.ports()) == 4
        await until(lambda: editor.ports() == {"d": 1})
        await until(lambda: messages(editor) == [])


async def test_a_given_file_that_is_deleted_and_written_anew_keeps_serving_meanwhile(tmp_path: Path) -> None:
    editor = FolderEditor(tmp_path, [tmp_path / "mesh.yaml"])
    editor.write("mesh.yaml", service("a", 1))
    async with watched(editor) as until:
        editor.path("mesh.yaml").unlink()
        await until(lambda: bool(messages(editor)))
        assert editor.ports() == {"a": 1}
        assert "still serving generation 1 of Service default/a" in messages(editor)[0]
        editor.path("mesh.yaml").write_text(service("a", 2))
        await until(lambda: editor.ports() == {"a": 2})
        assert messages(editor) == []


async def test_an_edit_is_seen_without_a_walk_and_idling_walks_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder whose walk takes long: the clock of the thread says 1000 s of CPU."""
    editor = FolderEditor(tmp_path)
    editor.write("a.yaml", service("a", 1))
    walks: list[object] = []

    class CountedListing(Listing):
        def __init__(self, paths: Any) -> None:
            walks.append(paths)
            super().__init__(paths)

    ticks = iter(range(0, 1_000_000, 1000))
    source = "mirrorplane.controlplane.sources.files.source"
    monkeypatch.setattr(f"{source}.Listing", CountedListing)
    monkeypatch.setattr(time, "thread_time", lambda: next(ticks))
    async with watched(editor) as until:
        editor.path("a.yaml").write_text(service("a", 2))
        await until(lambda: editor.ports() == {"a": 2})
        before = len(walks)
        assert before >= 1, "the first events may be incomplete"
        for port in range(3, 8):
            editor.path("a.yaml").write_text(service("a", port))
            await until(lambda port=port: editor.ports() == {"a": port})
        assert len(walks) == before


async def test_reread_reads_everything_anew(tmp_path: Path) -> None:
    """As SIGHUP does: what no time stamp and no event shows."""
    editor = FolderEditor(tmp_path)
    editor.write("a.yaml", service("a", 1))
    status = editor.path("a.yaml").stat()
    editor.path("a.yaml").write_text(service("a", 2))
    os.utime(editor.path("a.yaml"), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not editor.look()
    async with watched(editor) as until:
        editor.source.reread()
        await until(lambda: editor.ports() == {"a": 2})
