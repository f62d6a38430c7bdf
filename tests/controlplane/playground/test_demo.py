"""The demo does what it says, says so when it does not, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirrorplane.controlplane.playground import demo
from mirrorplane.controlplane.playground.manifests import TUTORIAL, tutorial

pytestmark = pytest.mark.envoy
DEMO = [sys.executable, "-m", "mirrorplane.controlplane.cli", "demo"]


def descendants(pid: int) -> set[int]:
    """Every process below one, by /proc."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in below | {pid}} - below:
        below |= more
    return below


def test_the_demo_tells_its_story_sums_up_and_exits_0():
    result = subprocess.run(DEMO, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for line in ("1. Default policy", "2. Mirror", "3. A stuck mirror", "host=httpbin-shadow:8000"):
        assert line in result.stdout
    output = result.stdout.splitlines()
    rows = {words[1].strip(): words[2].strip() for words in (line.split("│") for line in output) if words[1:]}
    assert rows == {"requests sent": "31", "answered by v1": "31", "copies received by v2": "10", "failures": "0"}
    assert result.stderr == ""


def test_keep_leaves_it_up_until_ctrl_c_and_then_nothing_is_left():
    process = subprocess.Popen([*DEMO, "--keep"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        curl = next(line.strip() for line in process.stdout if "curl -x" in line)
        below = descendants(process.pid)
        assert len(below) >= 4, "two workloads and two Envoys"
        answer = subprocess.run(curl.split(), capture_output=True, text=True, check=True)
        assert "httpbin:8000" in answer.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not {pid for pid in below if Path(f"/proc/{pid}").exists()}


def test_ctrl_c_in_the_middle_leaves_nothing():
    process = subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        next(line for line in process.stdout if "Envoy for sleep" in line)
        below = descendants(process.pid)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) == 130
    assert not {pid for pid in below if Path(f"/proc/{pid}").exists()}


def test_a_step_that_does_not_come_out_as_it_should_says_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def without_mirror(name: str) -> str:
        return tutorial(name).partition("    mirror:")[0] if name == TUTORIAL[2] else tutorial(name)

    monkeypatch.setattr(demo, "tutorial", without_mirror)
    monkeypatch.setattr(demo, "_COPY_S", 0.5)
    assert demo.play(keep=False) == 1
    assert "v2 logs a copy of every request: expected 10, saw 0" in capsys.readouterr().err
