"""The admin address: health, metrics, and pages for people debugging. Debug pages only where nobody else can reach."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from mirrorplane.api.proxy import NodeIdError, Proxy, parse_node_id
from mirrorplane.controlplane.findings.format import finding_row
from mirrorplane.controlplane.observe.metrics import CONTENT_TYPE, Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.publish.publisher import RenderError
from mirrorplane.controlplane.query.proxies import Row, proxy_rows
from mirrorplane.controlplane.query.resources import resource_values
from mirrorplane.controlplane.settings import Address
from mirrorplane.controlplane.status.format import status_row
from mirrorplane.controlplane.status_updater import StatusUpdater
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.translators.scopes import criteria, scope_of

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PAGES = {
    "/debug/findings": "everything there is to say about the objects",
    "/debug/proxies": "connected proxies: what was sent, accepted and rejected",
    "/debug/resources?proxy=NODE_ID": "exactly what a proxy of this node id is served",
    "/debug/objects": "the objects that serve, with their generation",
    "/debug/status": "their statuses, as `kubectl get -o json` would show them",
}


class Admin:
    """An HTTP server on the admin address."""

    def __init__(
        self, plane: Plane, metrics: Metrics, streams: Callable[[], Iterable[StreamStatus]], keeper: StatusUpdater
    ) -> None:
        self._plane, self._metrics, self._streams, self._keeper = plane, metrics, streams, keeper
        self._runner: web.AppRunner | None = None
        self.ready = False

    async def start(self, address: Address) -> int:
        """Bind and serve; return the port. Raises OSError when the address cannot be bound."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_page)
        if address.is_loopback:
            app.middlewares.append(_by_local_name)
            app.router.add_get("/debug", self._index)
            app.router.add_get("/debug/findings", self._findings)
            app.router.add_get("/debug/proxies", self._proxies)
            app.router.add_get("/debug/resources", self._resources)
            app.router.add_get("/debug/objects", self._objects)
            app.router.add_get("/debug/status", self._status)
        else:
            log.warning(
                "admin address %s is not a loopback one: /debug is off, since nothing authenticates it", address
            )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, address.host, address.port)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self.ready else web.Response(status=503, text="not serving yet\n")

    async def _metrics_page(self, _: web.Request) -> web.Response:
        await self._plane.all_findings()  # their number is among the metrics
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _index(self, _: web.Request) -> web.Response:
        return _json(_PAGES)

    async def _findings(self, _: web.Request) -> web.Response:
        self._plane.findings.invalidate()
        return _json([finding_row(f) for f in await self._plane.all_findings()])

    async def _proxies(self, _: web.Request) -> web.Response:
        return _json(await self._plane.executor.run(self._rows))

    async def _status(self, _: web.Request) -> web.Response:
        found, objects = await self._keeper.statuses(), self._plane.snapshot.objects
        return _json([status_row(objects[ref], status) for ref, status in found if ref in objects])

    def _rows(self) -> list[Row]:
        """Return a row for each stream: work for CooperativeExecutor."""
        each, asked = self._plane.executor.each, self._plane.engine.view.memo(criteria)
        streams = list(each(self._streams()))
        scopes = [scope_of(stream.proxy, asked) for stream in each(streams)]
        return proxy_rows(streams, scopes, time.time(), each)

    async def _objects(self, _: web.Request) -> web.Response:
        objects = sorted(self._plane.snapshot.objects.values(), key=lambda o: o.ref)
        return _json([{"object": str(o.ref), "kind": o.ref.kind, "generation": o.generation} for o in objects])

    async def _resources(self, request: web.Request) -> web.Response:
        node = request.query.get("proxy", "")
        stream = next((s for s in self._streams() if s.proxy.id == node), None)
        try:
            proxy = stream.proxy if stream else _proxy_of(node)
        except NodeIdError as error:
            return _json({"error": str(error)}, status=400)
        try:
            return _json(resource_values(await self._plane.rendered(proxy)))
        except RenderError as error:
            return _json({"error": str(error)}, status=500)


@web.middleware
async def _by_local_name(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse debug pages under another name: a web page could have a browser here read them (DNS rebinding)."""
    name = request.url.host or ""
    if request.path.startswith("/debug") and not Address(name, 0).is_loopback:
        return _json({"error": f"the debug pages are read as http://localhost, not as {name}"}, status=403)
    return await handler(request)


def _proxy_of(node: str) -> Proxy:
    role, ip, name, namespace, domain = parse_node_id(node)
    return Proxy(role, name, namespace, ip, domain)


def _json(value: Any, status: int = 200) -> web.Response:
    body = msgspec.json.format(msgspec.json.encode(_encodable(value)), indent=2)
    return web.Response(body=body + b"\n", status=status, content_type="application/json")


def _encodable(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
