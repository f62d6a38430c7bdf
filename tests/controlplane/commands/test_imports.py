"""What each command must not import: start-up time is a feature, and one import can cost more than the command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mirrorplane.controlplane.playground.manifests import TUTORIAL, tutorial

PROGRAM = """
import json, sys
from mirrorplane.controlplane.cli import cli
try:
    cli(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
SERVER = {"aiohttp", "grpc", "prometheus_client", "watchfiles", "kubernetes", "jwt", "cryptography"}
ENVOY = {"envoy", "google.protobuf", "envoy_data_plane", "betterproto2", "pydantic"}
OURS = {"mirrorplane.controlplane.app", "mirrorplane.controlplane.xds", "mirrorplane.translators.outputs"}
UNUSED = {
    "--help": {"asyncio", *SERVER, *ENVOY, *OURS, "rich", "yaml", "mirrorplane.translators", "mirrorplane.api"},
    "bootstrap --name sleep -o json": {"asyncio", *SERVER, *ENVOY, *OURS, "rich", "yaml", "mirrorplane.translators"},
    "version --client": {"asyncio", *SERVER, *ENVOY, *OURS, "rich", "yaml", "mirrorplane.translators"},
    "completion bash": {"asyncio", *SERVER, *ENVOY, *OURS, "rich", "yaml", "mirrorplane.translators"},
    "check -f .": {*SERVER, *ENVOY, *OURS, "rich", "mirrorplane.translators.status.gateway"},
    "status -f .": {*SERVER, *ENVOY, *OURS},
    "render -f . --proxy node": {*SERVER, "rich", "mirrorplane.controlplane.app", "envoy_data_plane", "betterproto2"},
    "explain -f . --proxy node GET http://a/": {*SERVER, "rich", "mirrorplane.controlplane.app", "betterproto2"},
    "proxies --admin-address 127.0.0.1:1": {*SERVER, *ENVOY, *OURS, "yaml", "mirrorplane.translators.inputs"},
}


@pytest.mark.parametrize("command", UNUSED)
def test_a_command_imports_nothing_heavy_that_it_does_not_use(command: str, tmp_path: Path):
    (tmp_path / "service.yaml").write_text(tutorial(TUTORIAL[0]))
    (tmp_path / "node").write_text("name: sleep")
    args = [sys.executable, "-c", PROGRAM, *command.split()]
    result = subprocess.run(args, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    modules = set(json.loads(result.stderr.splitlines()[-1]))
    assert "mirrorplane.controlplane.cli" in modules
    assert sorted(modules & UNUSED[command]) == []
