"""A machine of its own for a page's commands: fixed ports collide with nothing, and everything ends with the shell.

Linux namespaces do that. Nothing here sleeps: commands in the documentation wait for states themselves (curl --retry).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.docs.pages import ROOT, SHELL, Block

SECONDS = 240
_START = 'ip link set lo up; mkdir -p /run/netns; mount -t tmpfs none /run/netns; exec bash -euo pipefail "$0"'


class PageFailedError(AssertionError):
    """A command of a page failed, or printed something else. The message says which, and what it printed."""


def isolated() -> list[str]:
    """Return the command before another that gives it a network and processes of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


def unavailable(programs: Iterable[str]) -> str:
    """Say why pages cannot run here, or ""."""
    missing = [program for program in ("unshare", "ip", "curl", *programs) if shutil.which(program) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    probe = subprocess.run([*isolated(), "true"], capture_output=True, text=True, check=False)
    return f"namespaces do not work here: {probe.stderr.strip()}" if probe.returncode else ""


def run(blocks: Iterable[Block], folder: Path) -> None:
    """Run blocks in one shell. Raises PageFailedError."""
    script, outputs = folder / "page.sh", folder / "outputs"
    work = folder / "work"
    outputs.mkdir()
    work.mkdir()
    (work / "deploy").symlink_to(ROOT / "deploy")
    expected: dict[Path, tuple[Block, str]] = {}
    lines = []
    for block in blocks:
        lines.append(f"echo 'at {block}' >&2")
        if block.language == SHELL:
            lines.append(block.text)
            continue
        for command, answer in transcript(block.text):
            output = outputs / str(len(expected))
            expected[output] = block, answer
            lines.append(f"{{ {command}\n}} > {output} 2>&1 || true")
    script.write_text("\n".join(lines))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
    }
    log = folder / "log"
    with log.open("w") as sink:
        ended = subprocess.run(
            [*isolated(), "sh", "-c", _START, script],
            cwd=work,
            env=environment,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode:
        logs = "".join(f"\n--- {path.name}\n{path.read_text()[-2000:]}" for path in sorted(work.glob("*.log")))
        raise PageFailedError(f"exit {ended.returncode}\n{log.read_text()[-4000:]}{logs}")
    for output, (block, answer) in expected.items():
        printed = output.read_text()
        if not alike(answer, printed):
            raise PageFailedError(f"{block} promises\n{answer}\nand it is\n{printed}")


def transcript(text: str) -> list[tuple[str, str]]:
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


def alike(promised: str, printed: str) -> bool:
    """Tell whether a command printed what was promised. A line `...` stands for any lines, `…` for a rest of a line."""
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    at = 0
    anywhere = False
    for promise in promised.strip("\n").splitlines():
        if promise.strip() == "...":
            anywhere = True
            continue
        matching = (n for n in range(at, len(lines) if anywhere else at + 1) if _line_alike(promise, lines[n : n + 1]))
        found = next(matching, None)
        if found is None:
            return False
        at, anywhere = found + 1, False
    return anywhere or at == len(lines) or not promised.strip()


def _line_alike(promise: str, lines: list[str]) -> bool:
    start, more, _ = promise.rstrip().partition("…")
    return bool(lines) and (lines[0].startswith(start) if more else lines[0] == start)
