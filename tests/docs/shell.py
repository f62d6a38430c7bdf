"""A machine of its own for a page's commands: fixed ports collide with nothing, and everything ends with the shell.

Linux namespaces do that. Nothing here sleeps: commands in the documentation wait for states themselves (curl --retry).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.docs.pages import ROOT, SHELL, Block

SECONDS = 240
# `ip netns` keeps namespaces in /run/netns: a mount of its own, so that a page leaves nothing on the machine.
_START = 'ip link set lo up; mkdir -p /run/netns; mount -t tmpfs none /run/netns; exec bash -euo pipefail "$0"'


class PageFailedError(AssertionError):
    """A command of a page failed, or printed something else. The message says which, and what it printed."""


class Transcript(msgspec.Struct, frozen=True):
    """A command of a console block, what the page says it prints, and the file with what it did print."""

    block: Block
    command: str
    promise: str
    output: Path


def isolation() -> list[str]:
    """Return the command before another that gives it a network and processes of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


def unavailable(programs: Iterable[str]) -> str:
    """Say why pages cannot run here, or ""."""
    needs = {"unshare", "ip", "curl", *programs}
    if "root" in needs and os.geteuid() != 0:
        return "needs root, for network namespaces inside its own"
    missing = [program for program in sorted(needs - {"root"}) if shutil.which(program) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    probe = subprocess.run([*isolation(), "true"], capture_output=True, text=True, check=False)
    return f"namespaces do not work here: {probe.stderr.strip()}" if probe.returncode else ""


def run(blocks: Iterable[Block], folder: Path) -> None:
    """Run blocks in one shell, and compare what they print. Raises PageFailedError."""
    (folder / "outputs").mkdir()
    work = folder / "work"
    work.mkdir()
    (work / "deploy").symlink_to(ROOT / "deploy")
    transcripts = _write_script(blocks, folder)
    _execute(folder / "page.sh", work, folder / "log")
    for transcript in transcripts:
        printed = transcript.output.read_text()
        if not matches(transcript.promise, printed):
            raise PageFailedError(f"{transcript.block} promises\n{transcript.promise}\nand it prints\n{printed}")


def _write_script(blocks: Iterable[Block], folder: Path) -> list[Transcript]:
    lines: list[str] = []
    transcripts: list[Transcript] = []
    for block in blocks:
        lines.append(f"echo 'at {block}' >&2")
        if block.language == SHELL:
            lines.append(block.text)
            continue
        for command, promise in split_console(block.text):
            output = folder / "outputs" / str(len(transcripts))
            transcripts.append(Transcript(block, command, promise, output))
            lines.append(f"{{ {command}\n}} > {output} 2>&1 || true")
    (folder / "page.sh").write_text("\n".join(lines))
    return transcripts


def _execute(script: Path, work: Path, log: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
    }
    with log.open("w") as sink:
        process = subprocess.run(
            [*isolation(), "sh", "-c", _START, script],
            cwd=work,
            env=environment,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if process.returncode:
        logs = "".join(f"\n--- {path.name}\n{path.read_text()[-2000:]}" for path in sorted(work.glob("*.log")))
        raise PageFailedError(f"exit {process.returncode}\n{log.read_text()[-4000:]}{logs}")


def split_console(text: str) -> list[tuple[str, str]]:
    """Split a console block into commands and what they print. `> ` continues a command."""
    pairs: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            pairs.append((line[2:], ""))
        elif line.startswith("> ") and not pairs[-1][1]:
            pairs[-1] = (f"{pairs[-1][0]}\n{line[2:]}", "")
        else:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]}{line}\n")
    return pairs


def matches(promise: str, output: str) -> bool:
    """Tell whether a command printed what a page promises: nothing, or these lines.

    A line `...` stands for any lines, `…` for the rest of a line.
    """
    lines = [line.rstrip() for line in output.strip("\n").splitlines()]
    position, skips = 0, False
    for pattern in promise.strip("\n").splitlines():
        if pattern.strip() == "...":
            skips = True
            continue
        last = len(lines) if skips else position + 1
        position = next((i + 1 for i in range(position, last) if _line_matches(pattern, lines[i : i + 1])), 0)
        skips = False
        if not position:
            return False
    return skips or position == len(lines) or not promise.strip()


def _line_matches(pattern: str, line: list[str]) -> bool:
    start, ellipsis, _ = pattern.rstrip().partition("…")
    return bool(line) and (line[0].startswith(start) if ellipsis else line[0] == start)
