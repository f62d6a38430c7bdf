"""Every command of README and docs/ runs, and every manifest in them passes `mirrorplane check`."""

import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from mirrorplane.controlplane.cli import cli
from tests import fast_yaml as yaml
from tests.docs.pages import (
    EVERY_PAGE,
    HEADING,
    NOT_A_COMMAND,
    PAGES,
    ROOT,
    SHELL,
    TRANSCRIPT,
    YAML,
    Block,
    anchor,
    blocks,
    commands,
    of_page,
)
from tests.docs.shell import matches, run, split_console, unavailable

CONTEXT = list(yaml.safe_load_all((Path(__file__).parent / "context.yaml").read_text()))
"""The Services that manifests in the documentation name, and what else they lean on."""

BLOCKS = [block for page in PAGES for block in blocks(page)]
MANIFESTS = [block for block in BLOCKS if block.language == YAML and not block.not_run]
RUNNING = [page for page in PAGES if any(commands(page))]
NOT_RUN = {
    "README.md": 1,  # pip install
    "docs/get-started.md": 2,  # pip install; the demo, which a test of its own plays
    "docs/migrate/envoy-gateway.md": 1,  # kubectl
    "docs/migrate/istio.md": 1,  # kubectl
    "docs/migrate/nginx.md": 1,  # configuration of nginx
    "docs/operate.md": 2,  # systemctl; rules of Prometheus
    "docs/reference/cli.md": 1,  # a node file
}
"""How many blocks of each page no test runs. The page says why."""
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.envoy
@pytest.mark.parametrize("page", RUNNING, ids=page_name)
def test_the_commands_of_a_page_do_what_it_says(page: Path, tmp_path: Path):
    if why := unavailable(name for block in commands(page) for name in of_page(block.page, "needs")):
        pytest.skip(why)
    run(commands(page), tmp_path)


@pytest.mark.parametrize("block", MANIFESTS, ids=str)
def test_a_manifest_passes_check(block: Block, tmp_path: Path):
    keys = {_key(obj) for obj in yaml.safe_load_all(block.text) if obj}
    context = [obj for obj in CONTEXT if _key(obj) not in keys]
    (tmp_path / "page.yaml").write_text(block.text)
    (tmp_path / "context.yaml").write_text(yaml.safe_dump_all(context))
    result = CliRunner().invoke(cli, ["check", "-f", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "0 errors, 0 warnings" in result.output


def _key(obj: dict) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", "default"), obj["metadata"]["name"]


def test_every_block_has_a_language_that_says_whether_it_runs():
    unknown = [str(block) for block in BLOCKS if block.language not in {SHELL, TRANSCRIPT, YAML, *NOT_A_COMMAND}]
    assert not unknown


def test_what_does_not_run_is_counted_and_says_why():
    """One more is a decision: write it down here."""
    counts = Counter(page_name(block.page) for block in BLOCKS if block.not_run)
    assert counts == NOT_RUN


@pytest.mark.parametrize("page", EVERY_PAGE, ids=page_name)
def test_links_lead_somewhere(page: Path):
    broken = []
    for target in _LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        if re.match(r"(https?|mailto):", target):
            continue
        path, _, section = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (section and section not in anchors(there)):
            broken.append(target)
    assert not broken


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    return {anchor(heading) for heading in HEADING.findall(page.read_text())}


def test_every_page_of_docs_is_linked_from_the_index():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in _LINK.findall(index.read_text())}
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - linked - {index} == set()


def test_readme_is_short():
    prose = re.sub(r"<!--.*?-->", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    words = [word for word in prose.split() if re.search(r"\w", word)]
    assert len(words) <= 700


def test_architecture_names_every_folder():
    """A folder of manifest kinds or of sources is inside one that is named."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    packages = ("api", "translators", "bootstrap", "controlplane")
    folders = {page_name(path.parent) for package in packages for path in (ROOT / package).rglob("*.py")}
    inner = ("api/kinds/", "controlplane/sources/", "controlplane/playground/")
    outer = {name for name in folders if not name.startswith(inner)}
    assert len(outer) > len(packages)
    assert {name for name in outer if f"`{name}/" not in text and f"`{name.rpartition('/')[2]}/" not in text} == set()


def test_architecture_is_short():
    assert (ROOT / "ARCHITECTURE.md").stat().st_size <= 8192


@pytest.mark.parametrize(
    ("promise", "output", "answer"),
    [
        ("a\nb", "a\nb\n", True),
        ("a", "a\nb", False),
        ("a\n...", "a\nb\nc", True),
        ("...\nc", "a\nb\nc", True),
        ("...\nb", "a\nb\nc", False),
        ("a took …", "a took 12 ms", True),
        ("a took …", "b took 12 ms", False),
        ("", "whatever", True),
    ],
)
def test_output_is_compared_line_by_line(promise: str, output: str, answer: bool):
    assert matches(promise, output) is answer


def test_a_transcript_is_commands_and_answers():
    assert split_console("$ a \\\n> b\nx\ny\n$ c\n") == [("a \\\nb", "x\ny\n"), ("c", "")]
