"""Questions to a running control plane. Long answers are made in slices, so that proxies are served meanwhile."""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

from mirrorplane.api.proxy import Proxy, parse_node_id
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.query.explanation import ExplanationView, explain_request
from mirrorplane.controlplane.query.objects import (
    FindingRow,
    ObjectRow,
    StatusRow,
    finding_row,
    object_rows,
)
from mirrorplane.controlplane.query.proxies import ProxyRow, proxy_rows
from mirrorplane.controlplane.query.requests import RequestText
from mirrorplane.controlplane.query.resources import ResourceView, resource_views
from mirrorplane.controlplane.query.statuses import status_rows
from mirrorplane.controlplane.status_updater import StatusUpdater
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.translators.matching.decoded import decode_resources
from mirrorplane.translators.scopes import criteria, scope_of


class Queries:
    """Answers from the plane, the streams and the statuses. Everything is called from the event loop."""

    def __init__(
        self, plane: Plane, streams: Callable[[], Iterable[StreamStatus]], status_updater: StatusUpdater
    ) -> None:
        self._plane, self._streams, self._status_updater = plane, streams, status_updater

    async def findings(self) -> list[FindingRow]:
        """Return all findings, ordered by file, line and object. Lines are those of the files as they are now."""
        self._plane.findings.invalidate()
        return [finding_row(finding) for finding in await self._plane.all_findings()]

    async def assemble_findings(self) -> None:
        """Prepare the findings for the metrics, which count them at once: assembling thousands would block."""
        await self._plane.all_findings()

    async def objects(self) -> list[ObjectRow]:
        """Return the objects that serve, ordered by Ref."""
        return object_rows(self._plane.snapshot.objects.values())

    async def statuses(self) -> list[StatusRow]:
        """Return the objects that have a status, with their mirrors, ordered by Ref."""
        written, streams = await self._status_updater.statuses(), list(self._streams())
        return await self._plane.executor.run(lambda: status_rows(self._plane, written, streams))

    async def proxies(self) -> list[ProxyRow]:
        """Return a row for each stream, ordered by the proxy's namespace and name."""
        return await self._plane.executor.run(self._proxy_rows)

    async def resources(self, node_id: str) -> list[ResourceView]:
        """Return what a proxy is served: a connected one, else the one that a node id describes.

        Raises NodeIdError for an id that is neither, and RenderError.
        """
        return resource_views(await self._plane.rendered(self._proxy(node_id)))

    async def explanation(self, node_id: str, text: RequestText) -> ExplanationView:
        """Return what becomes of a request at a proxy: a connected one, else the one that a node id describes.

        Raises NodeIdError, RenderError and RequestError.
        """
        plane, proxy = self._plane, self._proxy(node_id)
        # In a thread: thousands of messages are decoded, and the executor could only pause between ours.
        resources = await asyncio.to_thread(decode_resources, await plane.rendered(proxy))
        explain = partial(explain_request, plane, proxy, resources, text, plane.locate)
        return (await plane.executor.run(explain)).view()

    def _proxy(self, node_id: str) -> Proxy:
        stream = next((stream for stream in self._streams() if stream.proxy.id == node_id), None)
        return stream.proxy if stream else _described_by(node_id)

    def _proxy_rows(self) -> list[ProxyRow]:
        """Work for CooperativeExecutor."""
        paced, scope_criteria = self._plane.executor.paced, self._plane.engine.view.memo(criteria)
        streams = list(paced(self._streams()))
        scopes = [scope_of(stream.proxy, scope_criteria) for stream in paced(streams)]
        return proxy_rows(streams, scopes, time.time(), self._plane.publisher.proxy_findings.of, paced)


def _described_by(node_id: str) -> Proxy:
    role, ip, name, namespace, domain = parse_node_id(node_id)
    return Proxy(role, name, namespace, ip, domain)
