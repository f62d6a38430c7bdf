"""Long work in slices: the event loop goes on answering proxies while a large world is made.

Translators are plain functions that call each other, so they cannot await. They run in a greenlet, which the engine
lets pause between two of them. Separate because nothing else may know that there is more than one stack.
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
    worker: Any
    answer: "asyncio.Future[Any] | None" = None


class CooperativeExecutor:
    """Runs one piece of work at a time, in order, and lets the event loop run every `length` seconds of it."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._jobs: deque[_Job] = deque()
        self._running: greenlet | None = None
        self._until = 0.0
        self._runner: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Return what the work returns, or raise what it raises. Once begun it is finished, whoever waits for it."""
        job = _Job(greenlet(work), asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._step()
        self._go_on()
        assert job.answer is not None
        result: T = await job.answer
        return result

    def schedule(self, work: Callable[[], None]) -> None:
        """Do the work: at once as far as one slice goes, unless other work is under way; the rest in the background.

        Without a running event loop there is nothing to make room for, and all of it is done at once.
        """
        if not _in_loop():
            work()
            return
        self._jobs.append(_Job(greenlet(work)))
        if len(self._jobs) == 1:
            self._step()
        self._go_on()

    def checkpoint(self) -> None:
        """Pause here if this is work, and its slice is over."""
        if self._running is not None and time.perf_counter() >= self._until and getcurrent() is self._running:
            self._running.parent.switch()

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items, pausing between them as work does."""
        for item in items:
            self.checkpoint()
            yield item

    def _go_on(self) -> None:
        if self._jobs and (self._runner is None or self._runner.done()):
            self._runner = asyncio.get_running_loop().create_task(self._rest(), name="work in slices")

    async def _rest(self) -> None:
        try:
            while self._jobs:
                await asyncio.sleep(0)
                self._step()
        finally:
            for job in self._jobs:  # the loop ends: unwind what is half-done
                with suppress(Exception):
                    job.worker.throw()
            self._jobs.clear()

    def _step(self) -> None:
        """Do one slice of the first job."""
        job = self._jobs[0]
        self._running, self._until = job.worker, time.perf_counter() + self._length
        try:
            result = job.worker.switch()
        except Exception as error:
            self._jobs.popleft()
            _fail(job, error)
            return
        finally:
            self._running = None
        if job.worker.dead:
            self._jobs.popleft()
            if job.answer is not None and not job.answer.done():
                job.answer.set_result(result)


def _fail(job: _Job, error: Exception) -> None:
    if job.answer is None:
        log.error("work in the background failed", exc_info=error)
    elif not job.answer.done():
        job.answer.set_exception(error)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
