"""Files that are replaced while they are watched, in every order: what is in force is always one whole generation."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.controlplane.identity.watched_files import FileProblemError, WatchedFiles

STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4)), max_size=12)


def pair(a: bytes, b: bytes) -> int:
    """The generation of two files; their length is its number, so that every generation is told from the others."""
    if a != b:
        raise ValueError("these two do not belong together")
    return len(a)


def put(folder: Path, name: str, generation: int) -> None:
    """Write a file; generation 0 is none."""
    if generation:
        (folder / name).write_bytes(b"x" * generation)
    else:
        (folder / name).unlink(missing_ok=True)


@given(STEPS)
def test_the_last_complete_generation_that_was_read_is_in_use(steps: list[tuple[str, int]]):
    with TemporaryDirectory() as name:
        folder, now, want = Path(name), {"a": 9, "b": 9}, 9
        for file, generation in now.items():
            put(folder, file, generation)
        watched = WatchedFiles([folder / "a", folder / "b"], pair)
        for file, generation in steps:
            put(folder, file, generation)
            now[file] = generation
            if now["a"] == now["b"] != 0:
                want = now["a"]
            assert watched.latest() == want


def test_a_file_that_is_replaced_while_its_neighbour_is_read_is_read_again(tmp_path: Path):
    put(tmp_path, "a", 1)
    put(tmp_path, "b", 1)
    late: list[int] = []

    def load(a: bytes, b: bytes) -> int:
        if late:
            put(tmp_path, "b", late.pop())
        return pair(a, b)

    watched = WatchedFiles([tmp_path / "a", tmp_path / "b"], load)
    put(tmp_path, "a", 2)
    late.append(2)

    assert watched.latest() == 1
    assert watched.latest() == 2


def test_a_problem_that_passes_is_not_waited_out_until_the_next_change(tmp_path: Path, caplog):
    put(tmp_path, "a", 1)
    problems: list[str] = []

    def load(a: bytes) -> int:
        if problems:
            raise ValueError(problems[0])
        return len(a)

    watched = WatchedFiles([tmp_path / "a"], load)
    put(tmp_path, "a", 2)
    problems.append("too many open files")
    with caplog.at_level(logging.ERROR):
        assert [watched.latest(), watched.latest()] == [1, 1]
    problems.clear()

    assert watched.latest() == 2
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        f"{tmp_path / 'a'}: too many open files; the previous content stays in use"
    ]


def test_a_change_of_who_may_read_a_file_is_a_change(tmp_path: Path):
    put(tmp_path, "a", 1)
    loads: list[bytes] = []
    watched = WatchedFiles([tmp_path / "a"], loads.append)
    (tmp_path / "a").chmod(0o640)
    watched.latest()
    watched.latest()

    assert loads == [b"x", b"x"]


@pytest.mark.parametrize(("name", "message"), [("none", "No such file"), ("", "Is a dir")])
def test_without_a_first_value_there_is_none(tmp_path: Path, name: str, message: str):
    with pytest.raises(FileProblemError, match=f"{tmp_path / name}: cannot be read: {message}"):
        WatchedFiles([tmp_path / name], len)
