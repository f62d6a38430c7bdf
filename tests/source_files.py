"""The product's source files and their syntax trees, parsed once in a process, and only where a test asks."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "translators", "bootstrap", "controlplane")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def syntax_tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file. Parsing all files takes seconds: too long for the import of a test module."""
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    """Return the path below the checkout's root."""
    return str(path.relative_to(ROOT))
