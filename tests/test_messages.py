"""Messages, docstrings and pages are in plain English: phrases of the private language of old stay out.

See decision 0120.
"""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.docs.pages import EVERY_PAGE
from tests.source_files import FILES, name_of, syntax_tree

IDIOMS = (
    r"there (is|are) no\b",
    r"\bholds? (there|here|for)\b",
    r"no rule holds",
    r"\b(is|are) told\b",
    r"\b(by|of|for|to|at) which no\b",
    r"\b(no|any|some|every)body\b",
    r"\blets? in\b",
    r"\b(is|are) meant\b",
    r"\bin so many words\b",
    r"\b(is|are) looked at\b",
    r"\bgoes? on (serving|with)\b",
    r"\bunder way\b",
    r"\btakes? off TLS|TLS is taken off\b",
)
"""Say instead: missing, not found, applies, reported, accepts, no client, intended, in flight, terminates."""
IN_MESSAGES = (r"\bchanges? nothing\b", r"\bis none of\b", r"\bis no (?!longer)\w")
"""Idioms of messages alone: has no effect, is not one of, is not a valid …"""
IN_PAGES = (r"\bwhoever\b", r"\bwhomever\b", r"\bin force\b", r"\bstands? beside\b")
"""Idioms of pages alone: clients that, in use, is next to."""
FORBIDDEN = re.compile("|".join(IDIOMS), re.IGNORECASE)
FORBIDDEN_IN_MESSAGES = re.compile("|".join(IDIOMS + IN_MESSAGES), re.IGNORECASE)
FORBIDDEN_IN_PAGES = re.compile("|".join(IDIOMS + IN_PAGES), re.IGNORECASE)
ALLOWED: dict[str, str] = {}
"""Texts that may contain one, each with the reason."""


def docstrings(tree: ast.Module) -> set[ast.Constant]:
    """Return the strings that stand alone: docstrings, also those of constants."""
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    return {node for node in statements if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def faults(texts: Iterable[ast.Constant], path: Path, forbidden: re.Pattern[str]) -> list[str]:
    return [
        f"{name_of(path)}:{node.lineno}: {match.group()!r} in {node.value!r}"
        for node in texts
        if isinstance(node.value, str)
        and node.value not in ALLOWED
        and (match := forbidden.search(re.sub(r"\s+", " ", node.value)))
    ]


def test_messages_are_in_plain_english():
    problems = []
    for path in FILES:
        alone = docstrings(syntax_tree(path))
        messages = [n for n in ast.walk(syntax_tree(path)) if isinstance(n, ast.Constant) and n not in alone]
        problems += faults(messages, path, FORBIDDEN_IN_MESSAGES)
    assert problems == []


def test_docstrings_are_in_plain_english():
    assert [problem for path in FILES for problem in faults(docstrings(syntax_tree(path)), path, FORBIDDEN)] == []


@pytest.mark.parametrize("path", EVERY_PAGE, ids=name_of)
def test_a_page_is_in_plain_english(path: Path):
    """Pages quote no other program's words that have such a phrase, so that none is excepted."""
    text = re.sub(r"\s+", " ", path.read_text())
    assert [text[max(match.start() - 40, 0) : match.end() + 40] for match in FORBIDDEN_IN_PAGES.finditer(text)] == []
