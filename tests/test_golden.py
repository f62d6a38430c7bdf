"""Golden cases: a folder with `input.yaml` (and `node.yaml`), and what a proxy is served for it, a file for each type.

`pytest tests/test_golden.py --golden-rewrite` writes the expected files anew and deletes those that no longer belong.
The function under test is the one behind `mirrorplane render` and the server.
"""

from pathlib import Path

import pytest
import yaml

from controlplane.app import file_source
from controlplane.catalogue import catalogue
from controlplane.nodes import read_node
from controlplane.plane import Plane
from controlplane.report import finding_line, resources_of
from tests.builders import SLEEP

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.rglob("input.yaml"))
GIVEN = {"input.yaml", "node.yaml"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(GOLDEN)))
async def test_a_proxy_is_served_what_the_golden_files_say(case: Path, request: pytest.FixtureRequest):
    made = await outcome(case)
    if request.config.getoption("--golden-rewrite"):
        rewrite(case, made)
    kept = {path.name: path.read_text() for path in case.iterdir() if path.name not in GIVEN}
    assert made == kept


async def outcome(case: Path) -> dict[str, str]:
    """What the case comes to, by file name; a type with nothing has no file."""
    source = file_source([case / "input.yaml"], catalogue())
    plane = Plane(catalogue(), source.locate)
    plane.apply(source.load())
    await plane.publish()
    node = case / "node.yaml"
    served = plane.render(read_node(node) if node.exists() else SLEEP)
    said = [finding_line(f).replace(f"{case}/", "") for f in plane.findings()]
    files = {
        f"{name}.yaml": yaml.safe_dump(found, sort_keys=False) for name, found in resources_of(served).items() if found
    }
    return {**files, **({"findings.txt": "\n".join(said) + "\n"} if said else {})}


def rewrite(case: Path, made: dict[str, str]) -> None:
    for path in case.iterdir():
        if path.name not in GIVEN and path.name not in made:
            path.unlink()
    for name, text in made.items():
        (case / name).write_text(text)


def test_every_golden_folder_has_an_input():
    folders = {path.parent for path in GOLDEN.rglob("*") if path.is_file()}
    assert folders == set(CASES), "a folder of expected files without input.yaml is an orphan"
