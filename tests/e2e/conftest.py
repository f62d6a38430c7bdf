"""Fixtures of the end-to-end tests: a mesh on this machine, and its clients. Nothing is mocked."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from mirrorplane.controlplane.playground.stage import Stage

PROTOCOLS = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A control plane that watches an empty folder."""
    folder = tmp_path / "mesh"
    folder.mkdir()
    async with Stage(folder) as stage:
        yield stage


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client with a long timeout, which does not decompress."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), auto_decompress=False) as session:
        yield session
