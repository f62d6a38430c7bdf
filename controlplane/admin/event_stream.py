"""`/debug/events`: the events of the control plane as server-sent events (HTML Living Standard, section 9.2).

Separate from the pages because a response lasts as long as its reader. A reader that does not keep up gets merged
events, and `event: Missed` with how many were dropped; it never delays anything.
"""

from collections.abc import Callable, Iterator

import msgspec
from aiohttp import web

from mirrorplane.controlplane.admin.access import caller_of
from mirrorplane.controlplane.events.events import Event
from mirrorplane.controlplane.events.hub import EventQueue, Events
from mirrorplane.controlplane.identity.authoriser import Authoriser
from mirrorplane.controlplane.identity.caller import UnauthenticatedError

# Each holds a task and a queue. Readers are people and a few tools.
_MAX_STREAMS = 32
_KEEP_ALIVE_S = 15.0
"""A comment after this long without events, so that proxies in between do not close an idle response."""


class EventStreams:
    """The responses that are open now."""

    def __init__(self, events: Events, authoriser: Authoriser) -> None:
        self._events, self._authoriser = events, authoriser
        self._open: set[EventQueue] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Send every event from now on until the reader leaves, its token expires or `close` is called."""
        if len(self._open) >= _MAX_STREAMS:
            return web.json_response({"error": f"{_MAX_STREAMS} event streams are open already"}, status=503)
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        with self._events.subscribe() as queue:
            self._open.add(queue)
            try:
                await response.prepare(request)
                await response.write(b": connected\n\n")
                await _send(queue, response, lambda: self._authoriser.confirm(caller_of(request)))
            except (ConnectionError, UnauthenticatedError):  # the reader left, or its token expired
                pass
            finally:
                self._open.discard(queue)
        return response

    def close(self) -> None:
        """End all responses."""
        for queue in self._open:
            queue.close()


async def _send(queue: EventQueue, response: web.StreamResponse, confirm: Callable[[], None]) -> None:
    """Send events until the subscription is closed. `confirm` raises when the reader may get no more."""
    missed = 0
    while not queue.closed:
        events = await queue.take(_KEEP_ALIVE_S)
        confirm()
        chunks = list(_chunks(events))
        if queue.missed != missed:
            missed = queue.missed
            chunks.append(f'event: Missed\ndata: {{"event":"Missed","total":{missed}}}\n\n'.encode())
        await response.write(b"".join(chunks) or b": no events\n\n")


def _chunks(events: list[Event]) -> Iterator[bytes]:
    for event in events:
        yield b"event: %b\ndata: %b\n\n" % (type(event).__name__.encode(), msgspec.json.encode(event))
