"""How long the objects of files that are not there any more keep serving."""

from mirrorplane.controlplane.sources.files.missing import MANY_S, QUIET_S, Deletions

FILES = {f"mesh/{name}.yaml" for name in "abcdefgh"}
A, B, C = "mesh/a.yaml", "mesh/b.yaml", "mesh/c.yaml"


class Folder:
    """The deletions of a folder, over time."""

    def __init__(self) -> None:
        self.deletions = Deletions()

    def at(self, seconds: float, *paths: str, replaced: bool = False) -> set[str]:
        return set(self.deletions.update("mesh", set(paths), FILES, 100 + seconds, replaced=replaced))

    @property
    def next_at(self) -> float | None:
        at = self.deletions.next_at
        return None if at is None else round(at - 100, 3)


def test_a_missing_file_is_deleted_once_it_is_certain() -> None:
    folder = Folder()
    assert folder.at(0, A) == set()
    assert (folder.next_at, folder.deletions.paths) == (QUIET_S, {A})
    assert folder.at(QUIET_S - 0.01, A) == set()
    assert folder.at(QUIET_S, A) == {A}
    assert (folder.next_at, folder.deletions.paths) == (None, set())


def test_a_file_that_is_back_was_not_deleted() -> None:
    folder = Folder()
    folder.at(0, A)
    assert folder.at(0.1) == set()
    assert folder.next_at is None
    assert folder.at(1, A) == set()


def test_while_files_vanish_none_is_deleted() -> None:
    folder = Folder()
    folder.at(0, A)
    assert folder.at(QUIET_S, A, B) == set()
    assert folder.at(2 * QUIET_S - 0.01, A, B) == set()
    assert folder.at(2 * QUIET_S, A, B) == {A, B}


def test_many_files_that_are_missing_at_once_wait_for_seconds() -> None:
    folder = Folder()
    folder.at(0, *sorted(FILES)[:4])
    assert folder.next_at == MANY_S
    folder.at(1, A, B)
    assert folder.next_at == 1 + MANY_S, "files come back one by one"
    assert folder.at(2) == set()
    folder.at(3, A)
    assert folder.next_at == 3 + QUIET_S


def test_a_folder_that_was_made_anew_waits_for_seconds() -> None:
    folder = Folder()
    folder.at(0, A, replaced=True)
    assert folder.next_at == MANY_S
    folder.at(1, A, replaced=True)
    assert folder.next_at == 1 + MANY_S


def test_a_given_file_that_is_missing_waits_for_seconds() -> None:
    deletions = Deletions()
    assert not deletions.update("mesh.yaml", {"mesh.yaml"}, {"mesh.yaml"}, 1, replaced=False)
    assert not deletions.update("mesh.yaml", {"mesh.yaml"}, {"mesh.yaml"}, MANY_S, replaced=False)
    assert deletions.update("mesh.yaml", {"mesh.yaml"}, {"mesh.yaml"}, 1 + MANY_S, replaced=False) == {"mesh.yaml"}


def test_given_paths_are_judged_apart() -> None:
    deletions = Deletions()
    files = {*FILES, "overlay/a.yaml", "overlay/b.yaml"}
    missing = {A, "overlay/a.yaml", "overlay/b.yaml"}
    assert not deletions.update("mesh", missing, files, 0, replaced=False)
    assert not deletions.update("overlay", missing, files, 0, replaced=False)
    assert deletions.update("mesh", missing, files, QUIET_S, replaced=False) == {A}
    assert not deletions.update("overlay", missing, files, QUIET_S, replaced=False)
    assert deletions.next_at == MANY_S
