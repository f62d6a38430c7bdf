"""The benchmark's side of `clients`: starts that process on a core of its own, and asks it for its counts."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from tests.bench.clients import ClientsSpec, Counts

SPARE_FILES = 200
POLL_S = 0.002
DEADLINE_S = 120.0


class ClientProcess:
    """A running process of clients."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def counts(self) -> Counts:
        """Ask for the counts since the start."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return msgspec.json.decode(await self._process.stdout.readline(), type=Counts)


@asynccontextmanager
async def running_clients(spec: ClientsSpec) -> AsyncIterator[ClientProcess]:
    """Start clients; they end on leaving."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.clients", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(spec) + b"\n")
    try:
        yield ClientProcess(process)
    finally:
        process.stdin.close()
        await process.wait()


async def until(reached: Callable[[], bool], what: str, poll_s: float = POLL_S) -> None:
    """Wait until a condition holds. Raises TimeoutError after two minutes."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not reached():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"two minutes passed before {what}")
        await asyncio.sleep(poll_s)


def connections_for(streams: int) -> int:
    """As many connections as streams, or as many as this process may have files open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(streams, hard - SPARE_FILES)
