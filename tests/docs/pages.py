"""README and docs/ as a list of fenced blocks, each with what the comment before it says about running it.

<!-- not run: reason -->            the next block is for reading: it needs what a test has not
<!-- starts from: page.md#part --> the bash blocks of that page come first, up to the end of that part
<!-- needs: iptables openssl -->    programs (or root) without which the page's commands are skipped
<!-- clean up -->                   the next block ends what the page started; pages that start from it leave it out
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "decisions"),
)
EVERY_PAGE = (
    *PAGES,
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
    *(ROOT / f"{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING", "PERFORMANCE", "CHANGELOG", "SECURITY")),
)
SHELL, TRANSCRIPT, YAML = "bash", "console", "yaml"
NOT_A_COMMAND = {"text", "json", "nginx", "python", "ini"}
_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!-- (not run|clean up)(?:: ([^>]+?))? -->\s*\Z")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_OF_PAGE = re.compile(r"<!-- (starts from|needs): ([^>]+?) -->")


class Block(msgspec.Struct, frozen=True):
    """A fenced block: where it begins, its language and text, and why it is not run ("": it is).

    `section` is the anchor of the heading above it.
    """

    page: Path
    line: int
    language: str
    text: str
    section: str = ""
    not_run: str = ""
    cleans_up: bool = False

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Find the fenced blocks of a page, in order."""
    text = page.read_text()
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()]
        comment = _COMMENT.search(before)
        indent = len(fence[1])
        yield Block(
            page=page,
            line=before.count("\n") + 1,
            language=fence[2],
            text="".join(line[indent:] if line.strip() else "\n" for line in fence[3].splitlines(keepends=True)),
            section=anchor(headings[-1]) if (headings := HEADING.findall(_FENCE.sub("", before))) else "",
            not_run=comment[2] if comment and comment[1] == "not run" else "",
            cleans_up=bool(comment and comment[1] == "clean up"),
        )


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def of_page(page: Path, word: str) -> list[str]:
    """Return what the comments of a page say after `starts from` or `needs`."""
    return [name for key, names in _OF_PAGE.findall(page.read_text()) if key == word for name in names.split()]


def commands(page: Path) -> list[Block]:
    """Return the blocks that run for a page, those of the pages it starts from first."""
    before = [block for start in of_page(page, "starts from") for block in _commands_until(page.parent, start)]
    return before + [block for block in blocks(page) if block.language in {SHELL, TRANSCRIPT} and not block.not_run]


def _commands_until(folder: Path, start: str) -> Iterator[Block]:
    name, _, section = start.partition("#")
    inside = False
    for block in commands((folder / name).resolve()):
        if section and inside and block.section != section:
            return
        inside = inside or block.section == section
        if block.language == SHELL and not block.cleans_up:
            yield block
