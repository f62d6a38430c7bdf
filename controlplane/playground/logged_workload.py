"""A workload in a process of its own, and its log: what `kubectl logs` would show."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from types import TracebackType

from mirrorplane.controlplane.playground.proxy import tied

_LISTENING = re.compile(r"Listening at: http://[^ ]*:(\d+)")
_POLL_S = 0.01
_GRACE_S = 3.0


class LoggedWorkload:
    """Use as an async context manager; it is entered once the workload listens on `port`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.lines: list[str] = []
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LoggedWorkload":
        command = tied(sys.executable, "-m", "mirrorplane.controlplane.playground.workload", "--name", self.name)
        self._process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, start_new_session=True)
        try:
            self.port = await self._listening()
        except BaseException:
            await self._stop()
            raise
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def logged(self, count: int, seconds: float) -> bool:
        """Wait until `count` lines are logged, at most for so many seconds; return whether they were."""
        for _ in range(int(seconds / _POLL_S)):
            if len(self.lines) >= count:
                return True
            await asyncio.sleep(_POLL_S)
        return False

    async def _listening(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        match = _LISTENING.search(line)
        if match is None:
            raise RuntimeError(f"workload {self.name} did not start: {line.strip() or 'no output'}")
        return int(match[1])

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    async def _stop(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _GRACE_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._reading is not None:
            await self._reading
