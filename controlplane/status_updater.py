"""When statuses are brought up to date: soon after something happened, and before somebody looks."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import ROUTER
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.status.conditions import Plain, rfc3339
from mirrorplane.controlplane.status.programmed import Deliveries, deliveries
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.translators.routers.servers import unserved_servers
from mirrorplane.translators.scopes import criteria, scope_of

_QUIET_S = 0.2


class StatusUpdater:
    """Keeps the statuses of a running control plane: proxies' answers count, and times are those of what happened."""

    def __init__(self, plane: Plane, streams: Callable[[], Iterable[StreamStatus]]) -> None:
        self._plane, self._streams = plane, streams
        self._news = asyncio.Event()

    def news(self) -> None:
        """Say that something happened: a change was published, a proxy came, answered or left."""
        self._news.set()

    async def run(self) -> None:
        """Follow what happens, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._plane.executor.run(self._refresh)
            await asyncio.sleep(_QUIET_S)

    async def statuses(self) -> list[tuple[Ref, Plain]]:
        """Return every status as it is now, by Ref."""
        await self._plane.executor.run(self._refresh)
        return list(self._plane.statuses.statuses())

    def _refresh(self) -> None:
        plane = self._plane
        plane.statuses.refresh(plane.engine.view, plane.snapshot, self._deliveries, rfc3339(datetime.now(UTC)))

    def _deliveries(self) -> Deliveries:
        each, view = self._plane.executor.each, self._plane.engine.view
        asked = view.memo(criteria)
        routers = [stream for stream in self._streams() if stream.proxy.role == ROUTER]
        scoped = ((stream, scope_of(stream.proxy, asked)) for stream in each(routers))
        return deliveries(scoped, lambda scope: view.memo(unserved_servers, scope))
