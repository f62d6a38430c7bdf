"""Objects that the control plane itself makes: from command-line flags, and objects that exist for a time only.

Separate from the sources that read because nothing is read: other parts call `put` and `remove`. It is the one place
where time turns into Changes (a time to live, a schedule, a pause): translators never read a clock.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from math import inf
from typing import Final

import msgspec

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.sources.changes import Batch, Change
from mirrorplane.controlplane.sources.source import Location

_LONGEST_SLEEP_S: Final = 60.0
"""A wall clock can be set, and a suspended machine sleeps through timers: look again after this at the latest."""


class _Entry(msgspec.Struct, frozen=True):
    """An object, and the time in which it exists: from `since` until just before `until`."""

    obj: AnyObject
    since: float
    until: float


class InternalSource:
    """Objects put in by code. `clock` returns seconds since 1970. Everything is called from one event loop."""

    def __init__(self, name: str, objects: Iterable[AnyObject] = (), clock: Callable[[], float] = time.time) -> None:
        self._name = name
        self._clock = clock
        self._entries: dict[Ref, _Entry] = {}
        self._emitted: dict[Ref, AnyObject] = {}
        self._wake = asyncio.Event()
        for obj in objects:
            self.put(obj)

    @property
    def name(self) -> str:
        """See Source.name."""
        return self._name

    def put(self, obj: AnyObject, until: float | None = None, since: float | None = None) -> None:
        """Hold an object from `since` (default: now) until just before `until` (default: for ever).

        Takes the place of what was put for the same Ref before, also of what has yet to begin.
        """
        self._entries[obj.ref] = _Entry(obj, -inf if since is None else since, inf if until is None else until)
        self._wake.set()

    def remove(self, ref: Ref) -> None:
        """Remove the object of a Ref, if there is one."""
        if self._entries.pop(ref, None):
            self._wake.set()

    async def load(self) -> Batch:
        """See Source.load."""
        return self._advance(self._clock())

    async def watch(self, stop: asyncio.Event) -> AsyncIterator[Batch]:
        """See Source.watch. Yields when an object is put or removed, begins or expires."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not stop.is_set():
                self._wake.clear()
                now = self._clock()
                batch = self._advance(now)
                if batch:
                    yield batch
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._seconds_to_next(now))
        finally:
            stopping.cancel()

    def reread(self) -> None:
        """See Source.reread. Nothing is read here."""

    def locate(self, ref: Ref, path: str) -> Location | None:  # noqa: ARG002
        """See Source.locate. These objects are in no file that a user could open."""
        return None

    def _advance(self, now: float) -> Batch:
        """Return what differs at a time from what was emitted before, and drop what has expired."""
        self._entries = {ref: entry for ref, entry in self._entries.items() if now < entry.until}
        current = {ref: entry.obj for ref, entry in self._entries.items() if entry.since <= now}
        changes = [
            Change(ref, current.get(ref))
            for ref in sorted(self._emitted.keys() | current.keys())
            if self._emitted.get(ref) != current.get(ref)
        ]
        self._emitted = current
        return Batch(tuple(changes))

    def _seconds_to_next(self, advanced: float) -> float:
        """Return how long to sleep until something begins or expires that had not when the source last advanced."""
        moments = [moment for entry in self._entries.values() for moment in (entry.since, entry.until)]
        seconds = min([moment for moment in moments if moment > advanced], default=inf) - self._clock()
        return min(seconds, _LONGEST_SLEEP_S)
