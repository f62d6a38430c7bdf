"""docs/reference/unenforced-policies.md has a row for each kind of the table, and no others."""

import re

from mirrorplane.translators.unenforced.table import ROWS
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "unenforced-policies.md"


def test_the_page_has_a_row_for_each_kind_and_no_others():
    rows = re.findall(r"^\| `([\w.-]+)` \| `(\w+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(f"{group}/{kind}" for group, kind in rows) == sorted(ROWS)
