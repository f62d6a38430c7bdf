"""The command line, called in this process, which saves the half second of a start, or as a process of its own."""

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import msgspec
from click.testing import CliRunner

from mirrorplane.controlplane.cli import cli

MIRRORPLANE = (sys.executable, "-m", "mirrorplane.controlplane.cli")
TIMEOUT_S = 300


class Outcome(msgspec.Struct, frozen=True):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run(*args: object, stdin: str = "") -> Outcome:
    """Call a command in this process. An exception that a user would see as a bug is raised."""
    with _logging_restored(), _time_limit():
        result = CliRunner().invoke(cli, [str(arg) for arg in args], input=stdin, prog_name="mirrorplane")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def run_process(*args: object) -> Outcome:
    """Run a command as users do."""
    command = [*MIRRORPLANE, *map(str, args)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return Outcome(process.returncode, process.stdout, process.stderr)


def error_line(outcome: Outcome) -> str:
    """Return the last line of what could not be answered, which must be an error and no traceback."""
    assert outcome.returncode == 2
    assert "Traceback" not in outcome.stderr
    last = outcome.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


@contextmanager
def _logging_restored() -> Iterator[None]:
    """Undo what a command does to the root logger: its handler writes to a stream that ends with the command."""
    handlers, level = logging.root.handlers[:], logging.root.level
    logging.root.handlers.clear()  # else the command closes those of pytest
    try:
        yield
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)


@contextmanager
def _time_limit() -> Iterator[None]:
    """Fail when a command that should have ended keeps running: `serve` would do so for ever."""

    def fail(*_: object) -> NoReturn:
        raise TimeoutError(f"the command was still running after {TIMEOUT_S} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(TIMEOUT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
