"""When a change is passed on: the first at once, a storm merged. Owns the rule, the merging and the waiting.

Separate from the sources, which all need the same, and from the plane, which knows no clock. The rule (`Storm`) is
pure, what waits (`Merging`) is plain state, and `debounced` puts both on the event loop.
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
    """Seconds. `quiet`: how long nothing may come before a storm is over; 0 merges nothing that can go at once.

    `longest`: how long the first batch of a storm waits at most.
    """

    quiet: float = 0.1
    longest: float = 10.0


class Storm(msgspec.Struct, frozen=True):
    """When what waits is due. All times are of one clock, in seconds.

    `calm`: a batch that comes from then on, while none waits, goes at once. `since`: when the first of those that wait
    came; `due`: when they go. Both are infinite while none waits.
    """

    calm: float = -inf
    since: float = inf
    due: float = inf

    def arrived(self, now: float, pace: Debounce) -> "Storm":
        """Take in that a batch came. What is due waits only for the consumer: it stays due, the batch goes along."""
        calm, since = now + pace.quiet, min(self.since, now)
        if self.due <= now or (self.due == inf and self.calm <= now):
            return Storm(calm, since, min(self.due, now))
        return Storm(calm, since, min(calm, since + pace.longest))

    def passed(self, now: float, pace: Debounce) -> "Storm":
        """Take in that what waited was passed on."""
        return Storm(calm=max(self.calm, now + pace.quiet))


class Merging:
    """Batches that wait, as one: the last Change of each Ref and the last findings of each origin."""

    def __init__(self) -> None:
        self._changes: dict[Ref, Change] = {}
        self._findings: dict[str, tuple[Finding, ...]] = {}
        self._synced = True

    def add(self, batch: Batch) -> None:
        """Let a batch wait; what it says replaces what was said before."""
        self._changes.update((change.ref, change) for change in batch.changes)
        self._findings.update(batch.findings)
        self._synced = batch.synced

    def take(self) -> Batch:
        """Return all that waited, in the order of the Refs, and start anew."""
        merged = Batch(tuple(self._changes[ref] for ref in sorted(self._changes)), self._findings, self._synced)
        self._changes, self._findings = {}, {}
        return merged


class Debounced:
    """An iterator over merged batches. Cancelling a wait for the next one loses nothing: ask again.

    `since` is when the first part of the batch returned last came, by the event loop's clock.
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
        """Read the source to its end, whether or not somebody takes what comes. Its error is kept for the iteration."""
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
        """Sleep until something comes, the source ends, or what waits is due."""
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

    The source is read by a task of its own, so what comes while the consumer is busy is merged too, and no read is cut
    off half-way while the iteration lives. When the source ends or raises, what waits goes at once, then the end or the
    error. Leaving cancels the read that is under way, if any.
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
