"""When statuses are brought up to date: soon after an event that may change one, and before each query."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import ROUTER
from mirrorplane.controlplane.events.events import ProxyEvent, Published, StatusChanged
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.status.conditions import Plain, rfc3339
from mirrorplane.controlplane.status.programmed import Deliveries, deliveries_by_object
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.translators.routers.servers import unserved_servers
from mirrorplane.translators.scopes import criteria, scope_of

log = logging.getLogger(__name__)
_QUIET_S = 0.2
"""A thousand proxies answer one change within moments of each other: their answers make one update."""


class StatusUpdater:
    """Keeps the statuses of a running control plane up to date with snapshots and with what proxies accepted.

    Updates follow events rather than queries because a transition time is the time of what caused it.
    """

    def __init__(self, plane: Plane, streams: Callable[[], Iterable[StreamStatus]]) -> None:
        self._plane, self._streams = plane, streams

    async def run(self) -> None:
        """Follow events, until cancelled."""
        with self._plane.events.subscribe(Published, ProxyEvent) as queue:
            while True:
                await self._try_refresh()
                await queue.take()
                await asyncio.sleep(_QUIET_S)

    async def statuses(self) -> list[tuple[Ref, Plain]]:
        """Return every status as it is now, ordered by Ref."""
        await self._plane.executor.run(self._refresh)
        return list(self._plane.statuses.statuses())

    async def _try_refresh(self) -> None:
        """Bring statuses up to date. An exception is our bug: they stay as they are until the next event."""
        try:
            await self._plane.executor.run(self._refresh)
        except Exception:
            log.exception("statuses could not be updated")

    def _refresh(self) -> None:
        plane = self._plane
        now = rfc3339(datetime.now(UTC))
        for ref in plane.statuses.refresh(plane.engine.view, plane.snapshot, self._deliveries, now):
            plane.events.publish(StatusChanged(str(ref)))

    def _deliveries(self) -> Deliveries:
        paced, view = self._plane.executor.paced, self._plane.engine.view
        scope_criteria = view.memo(criteria)
        routers = [stream for stream in self._streams() if stream.proxy.role == ROUTER]
        scoped = ((stream, scope_of(stream.proxy, scope_criteria)) for stream in paced(routers))
        return deliveries_by_object(scoped, lambda scope: view.memo(unserved_servers, scope))
