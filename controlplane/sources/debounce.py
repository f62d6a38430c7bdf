"""Debouncing: the first change passes at once, a storm of them is merged. Owns the rule, the merging and the waiting.

Separate from the sources, which all need the same, and from the plane, which knows no clock. The rule (`Storm`) is
pure, the waiting batches (`Merging`) are plain state, and `debounced` runs both on the event loop. See decision 0029.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.sources.changes import Batch, Change


class Debounce(msgspec.Struct, frozen=True):
    """Limits in seconds. `quiet`: a storm is over when no batch arrives for this long; 0 merges no idle batches.

    `longest`: how long the first batch of a storm waits at most.
    """

    # As in Istio (PILOT_DEBOUNCE_AFTER, PILOT_DEBOUNCE_MAX).
    quiet: float = 0.1
    longest: float = 10.0


class Storm(msgspec.Struct, frozen=True):
    """When the waiting batches are due. All times are of one clock, in seconds.

    `calm`: a batch that arrives from then on, while none waits, passes at once. `since`: when the first waiting batch
    arrived; `due`: when the waiting ones pass. Both are infinite while none waits.
    """

    calm: float = -inf
    since: float = inf
    due: float = inf

    def arrived(self, now: float, pace: Debounce) -> "Storm":
        """Return the state after a batch arrived. Batches that are due stay due, and this one passes with them."""
        calm, since = now + pace.quiet, min(self.since, now)
        if self.due <= now or (self.due == inf and self.calm <= now):
            return Storm(calm, since, min(self.due, now))
        return Storm(calm, since, min(calm, since + pace.longest))

    def passed(self, now: float, pace: Debounce) -> "Storm":
        """Return the state after the waiting batches were handed to the consumer."""
        return Storm(calm=max(self.calm, now + pace.quiet))


class Merging:
    """The waiting batches, merged: the last Change of each Ref and the last findings of each origin."""

    def __init__(self) -> None:
        self._changes: dict[Ref, Change] = {}
        self._findings: dict[str, tuple[Finding, ...]] = {}
        self._synced = True

    def add(self, batch: Batch) -> None:
        """Merge a batch: later Changes and findings replace earlier ones."""
        self._changes.update((change.ref, change) for change in batch.changes)
        self._findings.update(batch.findings)
        self._synced = batch.synced

    def take(self) -> Batch:
        """Return the merged batch, sorted by Ref, and start with an empty one."""
        merged = Batch(tuple(self._changes[ref] for ref in sorted(self._changes)), self._findings, self._synced)
        self._changes, self._findings = {}, {}
        return merged


class Debounced:
    """An iterator over merged batches. Cancelling `__anext__` loses nothing: call it again.

    `since` is when the first part of the last returned batch arrived, by the event loop's clock.
    """

    def __init__(self, pace: Debounce) -> None:
        self.since = inf
        self._pace = pace
        self._storm = Storm()
        self._merging = Merging()
        self._wake = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    async def fill(self, batches: AsyncIterator[Batch]) -> None:
        """Read the source to its end, independent of the consumer. Its error is raised by the iteration later."""
        try:
            async for batch in batches:
                self._merging.add(batch)
                self._storm = self._storm.arrived(_now(), self._pace)
                self._wake.set()
        except Exception as error:
            self._error = error
        finally:
            self._ended = True
            self._wake.set()

    def __aiter__(self) -> "Debounced":
        return self

    async def __anext__(self) -> Batch:
        while not self._ended and self._storm.due > _now():
            await self._sleep()
        if self._storm.due < inf:
            self.since = self._storm.since
            self._storm = self._storm.passed(_now(), self._pace)
            return self._merging.take()
        raise self._error or StopAsyncIteration

    async def _sleep(self) -> None:
        """Sleep until a batch arrives, the source ends, or the waiting batches are due."""
        self._wake.clear()
        timer = None
        if self._storm.due < inf:
            timer = asyncio.get_running_loop().call_at(self._storm.due, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()


@asynccontextmanager
async def debounced(batches: AsyncIterator[Batch], pace: Debounce) -> AsyncIterator[Debounced]:
    """Iterate over batches of a source, merged.

    The source is read by a task of its own: batches that arrive while the consumer is busy are merged too, and no read
    is interrupted while the iteration lives. When the source ends or raises, the waiting batches pass at once, then the
    end or the error. Leaving the context cancels a read in progress.
    """
    merged = Debounced(pace)
    reader = asyncio.create_task(merged.fill(batches), name="debounce")
    try:
        yield merged
    finally:
        reader.cancel()
        await asyncio.wait([reader])


def _now() -> float:
    return asyncio.get_running_loop().time()
