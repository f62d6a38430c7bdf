"""Passes events on from publishers to subscribers: one hub, bounded queues, no waiting for readers.

The plane and the xDS server publish, the status updater and `/debug/events` subscribe; neither knows the other.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from mirrorplane.controlplane.events.events import Event

CAPACITY = 256
"""How many events a queue holds. Beyond it the oldest is dropped, and counted."""


class Events:
    """The hub. `publish` costs nothing without subscribers; everything is called from one event loop."""

    def __init__(self) -> None:
        self._queues: set[EventQueue] = set()

    def publish(self, event: Event) -> None:
        """Put an event into every queue that wants its type. Never blocks."""
        for queue in self._queues:
            queue.put(event)

    @contextmanager
    def subscribe(self, *types: type[Event], capacity: int = CAPACITY) -> Iterator["EventQueue"]:
        """Give a queue of the events of these types (all by default) that are published inside the block."""
        queue = EventQueue(types or (Event,), capacity)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)


class EventQueue:
    """The pending events of one reader, in the order in which they were last published.

    `missed` is how many were dropped because the reader was too slow. Merged events are not missed.
    """

    def __init__(self, types: tuple[type[Event], ...], capacity: int) -> None:
        self._types, self._capacity = types, capacity
        self._pending: dict[tuple[type[Event], str], Event] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self.missed = 0

    def put(self, event: Event) -> None:
        """Append an event, unless it is of another type."""
        if not isinstance(event, self._types):
            return
        key = type(event), event.subject
        self._pending.pop(key, None)
        if len(self._pending) >= self._capacity:
            del self._pending[next(iter(self._pending))]
            self.missed += 1
        self._pending[key] = event
        self._wake.set()

    def close(self) -> None:
        """End the reader: `take` returns nothing from now on."""
        self._closed = True
        self._wake.set()

    async def take(self, timeout_s: float | None = None) -> list[Event]:
        """Return all pending events, waiting for one if there is none. Empty after `timeout_s`, and when closed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return []
        if self._closed:
            return []
        events = list(self._pending.values())
        self._pending.clear()
        self._wake.clear()
        return events

    @property
    def closed(self) -> bool:
        """Whether the reader should end."""
        return self._closed
