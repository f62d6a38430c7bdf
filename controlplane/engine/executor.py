"""Long work in slices: the event loop keeps answering proxies while a large world is built.

Translators are plain functions that call each other, so they cannot await. They run in a greenlet, which the engine
pauses between two of them (`checkpoint`). Separate because no other module may know that there is a second stack.
See decision 0021.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from greenlet import getcurrent, greenlet

log = logging.getLogger(__name__)
T = TypeVar("T")


class _Job(msgspec.Struct, eq=False):
    """Work in its own greenlet. `result` is None for work that is not awaited."""

    worker: Any
    result: "asyncio.Future[Any] | None" = None


class CooperativeExecutor:
    """Runs one job at a time, in order, and lets the event loop run after every `slice_s` seconds of work."""

    def __init__(self, slice_s: float) -> None:
        self.slice_s = slice_s
        self._jobs: deque[_Job] = deque()
        self._late: deque[_Job] = deque()
        self._running: greenlet | None = None
        self._slice_end = 0.0
        self._runner: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the work returns, or raise what it raises. Cancelling the caller does not stop the work."""
        job = _Job(greenlet(work), asyncio.get_running_loop().create_future())
        self._submit(job)
        assert job.result is not None
        value: T = await job.result
        return value

    def schedule(self, work: Callable[[], None]) -> None:
        """Do the work: its first slice at once unless another job is running, the rest in the background.

        Without a running event loop other tasks need no turn, and all of it is done at once.
        """
        if not _in_loop():
            work()
            return
        self._submit(_Job(greenlet(work)))

    def schedule_late(self, work: Callable[[], None]) -> None:
        """Do the work in the background once nothing else is to be done. What is to be done then waits for its end."""
        if not _in_loop():
            work()
            return
        self._late.append(_Job(greenlet(work)))
        self._start()

    def checkpoint(self) -> None:
        """Pause here when this is the running job and its slice is over."""
        if self._running is not None and time.perf_counter() >= self._slice_end and getcurrent() is self._running:
            self._running.parent.switch()

    def paced(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items, with a checkpoint before each."""
        for item in items:
            self.checkpoint()
            yield item

    def _submit(self, job: _Job) -> None:
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._run_slice()
        if self._jobs:
            self._start()

    def _start(self) -> None:
        if self._runner is None or self._runner.done():
            self._runner = asyncio.get_running_loop().create_task(self._run_jobs(), name="cooperative executor")

    async def _run_jobs(self) -> None:
        try:
            while self._jobs or self._late:
                await asyncio.sleep(0)
                if not self._jobs:
                    self._jobs.append(self._late.popleft())
                self._run_slice()
        finally:
            self._late.clear()
            for job in self._jobs:  # the event loop ends: run the `finally` blocks of unfinished work
                with suppress(Exception):
                    job.worker.throw()
            self._jobs.clear()

    def _run_slice(self) -> None:
        """Run the first job until it is done or its slice is over."""
        job = self._jobs[0]
        self._running, self._slice_end = job.worker, time.perf_counter() + self.slice_s
        try:
            value = job.worker.switch()
        except Exception as error:
            self._jobs.popleft()
            _fail(job, error)
            return
        finally:
            self._running = None
        if job.worker.dead:
            self._jobs.popleft()
            if job.result is not None and not job.result.done():
                job.result.set_result(value)


def _fail(job: _Job, error: Exception) -> None:
    if job.result is None:
        log.error("background work failed", exc_info=error)
    elif not job.result.done():
        job.result.set_exception(error)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
