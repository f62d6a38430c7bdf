"""Decisions have one form, and are cited from the code that they explain."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "decisions"
DECISIONS = {int(page.name[:4]): page for page in sorted(FOLDER.glob("[0-9]*.md"))}
HEADINGS = ["Context", "Choice", "Alternatives", "Price"]
CITATION = re.compile(r"\b[Dd]ecisions? ((?:\d{4}(?:, | and )?)+)")
CODE = [
    path
    for folder in ("api", "translators", "bootstrap", "controlplane", "mirrorplane", "deploy", "tests")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".sh"} and not path.is_symlink() and path.parent != Path(__file__).parent
]


def cited(path: Path) -> set[int]:
    """The numbers of the decisions that a file cites, also where a line ends between the word and the number."""
    text = re.sub(r"\s*\n[\s#]*", " ", path.read_text())
    return {int(number) for match in CITATION.finditer(text) for number in re.findall(r"\d{4}", match[1])}


@cache
def citations() -> dict[Path, set[int]]:
    """The numbers that each file cites."""
    return {path: numbers for path in CODE if (numbers := cited(path))}


@pytest.mark.parametrize("page", DECISIONS.values(), ids=lambda page: page.stem)
def test_a_decision_has_a_title_code_and_four_headings(page: Path):
    text = page.read_text()
    assert text.startswith(f"# {page.name[:4]}: ")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == HEADINGS
    assert re.search(r"^Code: \[`", text, flags=re.MULTILINE)


def test_every_decision_is_cited_in_the_code():
    assert sorted(DECISIONS.keys() - set().union(*citations().values())) == []


def test_every_citation_exists():
    unknown = {str(path.relative_to(ROOT)): sorted(numbers - DECISIONS.keys()) for path, numbers in citations().items()}
    assert {path: numbers for path, numbers in unknown.items() if numbers} == {}


def test_the_index_lists_every_decision():
    index = re.findall(r"\]\((\d{4}-[^)]+\.md)\)", (FOLDER / "README.md").read_text())
    assert index == [page.name for page in DECISIONS.values()]
