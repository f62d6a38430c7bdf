"""Settings that the process takes from its environment."""

import os

import pytest

from mirrorplane.controlplane.settings import quieten_grpc


def test_grpcs_own_lines_are_silenced_unless_the_environment_asks_for_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    quieten_grpc()
    assert os.environ["GRPC_VERBOSITY"] == "NONE"
    monkeypatch.setenv("GRPC_VERBOSITY", "INFO")
    quieten_grpc()
    assert os.environ["GRPC_VERBOSITY"] == "INFO"
