"""Golden cases: a folder with `input.yaml` (and `node.yaml`), what a proxy is served for it by type, and statuses.

`pytest tests/test_golden.py --golden-rewrite` writes the expected files anew and deletes those that no longer belong.
The function under test is the one behind `mirrorplane render` and the server.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.commands.node_file import read_node
from mirrorplane.controlplane.configured_sources import file_source
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.findings.format import finding_line
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.query.resources import resource_values
from mirrorplane.controlplane.status.conditions import Plain
from tests import fast_yaml as yaml
from tests.builders import SLEEP

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.rglob("input.yaml"))
GIVEN = {"input.yaml", "node.yaml"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(GOLDEN)))
async def test_a_proxy_is_served_what_the_golden_files_say(case: Path, request: pytest.FixtureRequest):
    texts = await outcome(case)
    if request.config.getoption("--golden-rewrite"):
        rewrite(case, texts)
    golden = {path.name: path.read_text() for path in case.iterdir() if path.name not in GIVEN}
    assert texts == golden


async def outcome(case: Path) -> dict[str, str]:
    """What the case comes to, by file name; a type with nothing has no file."""
    source = file_source([case / "input.yaml"], catalogue())
    plane = Plane(catalogue(), source.locate)
    plane.apply(source.rescan())
    await plane.publish()
    node = case / "node.yaml"
    served = plane.render(read_node(node) if node.exists() else SLEEP)
    lines = [finding_line(f).replace(f"{case}/", "") for f in plane.findings.all()]
    files = {
        f"{name}.yaml": yaml.safe_dump(results, sort_keys=False)
        for name, results in resource_values(served).items()
        if results
    }
    statuses = {str(ref): short(results) for ref, results in standing_of(plane)}
    return {
        **files,
        **({"status.yaml": yaml.safe_dump(statuses, sort_keys=False)} if statuses else {}),
        **({"findings.txt": "\n".join(lines) + "\n"} if lines else {}),
    }


def short(status: Any) -> Any:
    """A status with each condition in one line, less what is the same everywhere."""
    if isinstance(status, Mapping):
        return {name: _lines(value) if name == "conditions" else short(value) for name, value in status.items()}
    return [short(entry) for entry in status] if isinstance(status, list) else status


def _lines(conditions: list[Plain]) -> dict[str, str]:
    return {c["type"]: f"{c['status']} {c['reason']} {c['message']}".strip() for c in conditions}


def standing_of(plane: Plane) -> list[tuple[Ref, Plain]]:
    """The statuses from the same run, as far as they can be told without proxies."""
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, "2026-01-01T00:00:00Z")
    return list(plane.statuses.statuses())


def rewrite(case: Path, texts: dict[str, str]) -> None:
    for path in case.iterdir():
        if path.name not in GIVEN and path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (case / name).write_text(text)


def test_every_golden_folder_has_an_input():
    folders = {path.parent for path in GOLDEN.rglob("*") if path.is_file()}
    assert folders == set(CASES), "a folder of expected files without input.yaml is an orphan"
