"""The admin server: health, metrics, and the debug pages, which are the answers of `controlplane/query` as JSON."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from mirrorplane.api.proxy import NodeIdError
from mirrorplane.controlplane.admin.access import by_local_name, by_token
from mirrorplane.controlplane.admin.event_stream import EventStreams
from mirrorplane.controlplane.admin.request_log import RequestLog
from mirrorplane.controlplane.events.hub import Events
from mirrorplane.controlplane.identity.authoriser import Authoriser
from mirrorplane.controlplane.observe.logs import LEVELS, current_level, set_level
from mirrorplane.controlplane.observe.metrics import CONTENT_TYPE, Metrics
from mirrorplane.controlplane.publish.publisher import RenderError
from mirrorplane.controlplane.query.queries import Queries
from mirrorplane.controlplane.query.requests import RequestError, RequestText
from mirrorplane.controlplane.query.resources import TYPES
from mirrorplane.controlplane.query.versions import this_version
from mirrorplane.controlplane.settings import Address

log = logging.getLogger(__name__)
_GRACE_S = 1.0
"""How long responses may take to end when the server stops. One that is then still unread is cut off."""
_DIGITS = 20
"""Of the largest number of 64 bits, which is what Envoy draws."""
_PUBLIC_PAGES = {
    "/healthz": "the process answers",
    "/readyz": "proxies are served; with ?verbose, what it depends on",
    "/metrics": "metrics, in Prometheus' format",
    "/version": "the version that runs",
    "/debug": "debug pages, where they are on",
}
_PAGES = {
    "/debug/findings": "all findings about the objects",
    "/debug/proxies": "connected proxies: what was sent, accepted and rejected",
    "/debug/resources?proxy=NODE_ID": "exactly what a proxy of this node id is served",
    "/debug/explain?proxy=NODE_ID&method=GET&url=http://web:8000/": "what a proxy does with a request; header= repeats",
    "/debug/objects": "the objects in use, with their generation",
    "/debug/status": "their statuses, as `kubectl get -o json` would show them",
    "/debug/logging": "the log level; PUT with level=debug sets it",
    "/debug/events": "what happens from now on, as server-sent events",
}


class Admin:
    """An HTTP server. Debug pages show the whole configuration, so they need a loopback address or bearer tokens."""

    def __init__(self, queries: Queries, metrics: Metrics, events: Events, authoriser: Authoriser) -> None:
        self._queries, self._metrics, self._authoriser = queries, metrics, authoriser
        self.checks: Callable[[], Mapping[str, bool]] = dict
        """What readiness depends on, by name, for `/readyz?verbose`."""
        self._event_streams = EventStreams(events, authoriser)
        self._runner: web.AppRunner | None = None
        self.ready = False

    async def start(self, address: Address) -> int:
        """Bind and serve; return the port. Raises OSError when the address cannot be bound."""
        app = web.Application()
        app.router.add_get("/", _front_page)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_page)
        app.router.add_get("/version", self._version)
        self._add_debug_pages(app, address)
        # Cancellation: a reader of events that left makes room at once, and not only when it is next sent something.
        self._runner = web.AppRunner(
            app, access_log=None, logger=RequestLog(), shutdown_timeout=_GRACE_S, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, address.host, address.port)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close the address, and end event streams."""
        if self._runner is not None:
            self._event_streams.close()
            await self._runner.cleanup()

    def _add_debug_pages(self, app: web.Application, address: Address) -> None:
        if address.is_loopback:
            app.middlewares.append(by_local_name)
        elif self._authoriser.security.tokens:
            app.middlewares.append(by_token(self._authoriser))
        else:
            log.warning(
                "admin address %s is not loopback: /debug is off, since only --jwks would authenticate it", address
            )
            return
        app.router.add_get("/debug", self._index)
        app.router.add_get("/debug/resources", self._resources)
        app.router.add_get("/debug/explain", self._explain)
        app.router.add_get("/debug/logging", _logging)
        app.router.add_put("/debug/logging", _set_logging)
        app.router.add_get("/debug/events", self._event_streams.handle, allow_head=False)
        queries = self._queries
        for name, query in (
            ("findings", queries.findings),
            ("proxies", queries.proxies),
            ("objects", queries.objects),
            ("status", queries.statuses),
        ):
            app.router.add_get(f"/debug/{name}", _page(query))

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        text = "ok\n" if self.ready else "not serving yet\n"
        if "verbose" in request.query:
            text = "".join(f"[{'+' if passed else '-'}]{name}\n" for name, passed in self.checks().items()) + text
        return web.Response(status=200 if self.ready else 503, text=text)

    async def _version(self, _: web.Request) -> web.Response:
        return _json(this_version())

    async def _metrics_page(self, _: web.Request) -> web.Response:
        await self._queries.assemble_findings()
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _index(self, _: web.Request) -> web.Response:
        return _json(_PAGES)

    async def _resources(self, request: web.Request) -> web.Response:
        try:
            views = await self._queries.resources(request.query.get("proxy", ""))
        except (NodeIdError, RenderError) as error:
            return _failure(error)
        return _json({name: [view.value for view in views if view.type == name] for name in TYPES})

    async def _explain(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            text = RequestText(
                method=query.get("method", "GET"),
                url=query.get("url", ""),
                headers=tuple(query.getall("header", ())),
                random_value=_random_value(query.get("random", "")),
            )
            return _json(await self._queries.explanation(query.get("proxy", ""), text))
        except (NodeIdError, RenderError, RequestError) as error:
            return _failure(error)


async def _front_page(_: web.Request) -> web.Response:
    return web.Response(text="".join(f"{page:<10} {about}\n" for page, about in _PUBLIC_PAGES.items()))


async def _logging(_: web.Request) -> web.Response:
    return _json({"level": current_level()})


async def _set_logging(request: web.Request) -> web.Response:
    """Not GET: a page in a browser on this machine may send that to loopback, but needs leave for a PUT."""
    level = request.query.get("level", "")
    if level not in LEVELS:
        return _json({"error": f"level is {level[:20]!r}: write one of {', '.join(LEVELS)}"}, status=400)
    set_level(level)
    log.warning("log level: %s", level)
    return _json({"level": level})


def _random_value(text: str) -> int | None:
    """Read Envoy's random number. Raises RequestError."""
    if text and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise RequestError(f"random is {text[:_DIGITS]!r}: write a number of at most {_DIGITS} digits")
    return int(text) if text else None


def _failure(error: Exception) -> web.Response:
    """Return why a proxy or a request could not be understood, or what proxies are served not be made."""
    if isinstance(error, RenderError):
        return _json({"error": str(error)}, status=500)
    where = "; /debug/proxies lists those of connected proxies" if isinstance(error, NodeIdError) else ""
    return _json({"error": f"{error}{where}"}, status=400)


def _page(query: Callable[[], Awaitable[Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(_: web.Request) -> web.Response:
        return _json(await query())

    return page


def _json(value: Any, status: int = 200) -> web.Response:
    body = msgspec.json.format(msgspec.json.encode(value), indent=2)
    return web.Response(body=body + b"\n", status=status, content_type="application/json")
