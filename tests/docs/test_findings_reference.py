"""docs/reference/findings.md has a row for each code that a Finding can have, and no others."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.analyzer_codes import code_of
from tests.docs.finding_reasons import Reasons

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "findings.md"
DERIVED_ONLY = {
    "",  # no conflict between two listeners: then there is no finding
}
"""Values that the syntax tree allows and that no finding has."""
ROW = re.compile(r"\| `(?P<code>\w+)`(?: \((?P<istio>IST\d+)\))? \| (?P<severities>[^|]*) \|(?P<rest>.*)\|")
ISTIO = Ref("networking.istio.io/VirtualService", "default", "web")


def sections() -> dict[str, list[re.Match[str]]]:
    parts = re.split(r"^## (.*)\n", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {title: list(ROW.finditer(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)}


def rows() -> Iterator[re.Match[str]]:
    for section in sections().values():
        yield from section


@pytest.fixture(scope="module")
def reasons() -> set[str]:
    return Reasons().all() - DERIVED_ONLY


def test_each_code_has_exactly_one_row_and_each_row_is_a_code(reasons: set[str]):
    codes = [row["code"] for row in rows()]
    assert sorted(codes) == sorted(set(codes))
    assert sorted(reasons - set(codes)) == [], "codes without a row"
    assert sorted(set(codes) - reasons) == [], "rows of codes that no finding has"


def test_rows_are_sorted():
    for section in sections().values():
        codes = [row["code"] for row in section]
        assert codes == sorted(codes)


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row["code"])
def test_a_row_says_all_there_is_to_say(row: re.Match[str]):
    assert set(row["severities"].split(", ")) <= {severity.value for severity in Severity}
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row["rest"])]
    assert len(cells) == 4, "cause, effect, fix, example"
    assert all(cells)
    example = cells[-1].strip("`").replace("\\|", "|")
    if row["code"] == "UnusableFile":
        with pytest.raises(yaml.YAMLError):
            yaml.safe_load(example)
    else:
        yaml.safe_load(example)
    if row["istio"]:
        assert code_of(Finding(ISTIO, row["code"], "")) == row["istio"]
