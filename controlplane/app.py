"""The running control plane: a source, the plane, the xDS server and the admin server, wired and started in order."""

import asyncio
import logging
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject
from mirrorplane.controlplane.admin.server import Admin
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.engine.gc_policy import exempt_loaded_world, trim_memory_periodically
from mirrorplane.controlplane.feed import PlaneFeed
from mirrorplane.controlplane.findings.format import finding_line
from mirrorplane.controlplane.grpc_server.server import GrpcServer
from mirrorplane.controlplane.identity.authoriser import Authoriser, Security
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.settings import Address
from mirrorplane.controlplane.sources.changes import Batch
from mirrorplane.controlplane.sources.configured import file_source, flag_source
from mirrorplane.controlplane.sources.debounce import Debounce, debounced
from mirrorplane.controlplane.sources.merged import Sources
from mirrorplane.controlplane.sources.source import Source
from mirrorplane.controlplane.status_updater import StatusUpdater
from mirrorplane.controlplane.xds.push_order import SERVER_LIMITS, PushLimits
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.controlplane.xds.streams import XdsStreams

log = logging.getLogger(__name__)
_GRACE_S = 1.0
_MOST_LINES = 100
"""Of the findings of one batch, so many are logged one by one."""


class ServeOptions(msgspec.Struct, frozen=True):
    """What `mirrorplane serve` serves and where. `objects` come from flags, `paths` are manifests."""

    paths: tuple[Path, ...]
    xds: Address
    admin: Address
    debounce: Debounce = Debounce()
    security: Security = Security()
    push_limits: PushLimits = SERVER_LIMITS
    objects: tuple[AnyObject, ...] = ()


class ListenError(RuntimeError):
    """An address that cannot be listened on. The message names it."""


class App:
    """One control plane process. `start` serves proxies as soon as all sources are synced; `run` follows changes.

    `sources` replace the manifests of `options.paths`, the first of them taking precedence. Objects of flags, and those
    put into `internal` while it runs, override them.
    """

    def __init__(self, options: ServeOptions, sources: Sequence[Source] = ()) -> None:
        """Wire everything up. Raises FileProblemError for certificates or keys that cannot be used."""
        self.options = options
        self.internal = flag_source(options.objects)
        self.source: Source = Sources((self.internal, *(sources or [file_source(options.paths, catalogue())])))
        self.plane = Plane(catalogue(), self.source.locate)
        self.metrics = Metrics(self.plane)
        self.keeper = StatusUpdater(self.plane, self._statuses)
        self.feed = PlaneFeed(self.plane, self.metrics, self.keeper.news)
        self.xds = XdsStreams(self.feed, options.push_limits)
        self.authoriser = Authoriser(options.security)
        self.grpc_server = GrpcServer(str(options.xds), self.xds.services, self.authoriser)
        self.admin = Admin(self.plane, self.metrics, self.xds.statuses, self.keeper)
        self.xds_port = self.admin_port = self.batches = 0
        self._stop = asyncio.Event()
        self._said: tuple[Finding, ...] = ()

    async def start(self) -> None:
        """Read all sources and publish, then listen: a proxy never sees half of a world. Raises ListenError.

        While a source is not synced (see Batch), the xDS port stays closed; `run` opens it.
        """
        batch = await self.source.load()
        await self._take(batch, time.monotonic())
        exempt_loaded_world()
        try:
            self.admin_port = await self.admin.start(self.options.admin)
        except OSError as error:
            raise ListenError(f"cannot listen on {self.options.admin}: {error.strerror or error}") from error
        if batch.synced:
            await self._listen()
        else:
            log.warning("waiting to serve proxies: not everything could be read from %s", self.source.name)

    async def _listen(self) -> None:
        try:
            self.xds_port = await self.grpc_server.start()
        except RuntimeError as error:
            await self.admin.stop()
            raise ListenError(f"cannot listen on {self.options.xds}: is the port taken?") from error
        self.admin.ready = True
        xds, admin = self.options.xds, self.options.admin
        log.info("serving xDS on %s:%d, admin on %s:%d", xds.host, self.xds_port, admin.host, self.admin_port)

    async def run(self) -> None:
        """Follow the sources until `stop` is called; changes seen until then are still published.

        Raises ListenError when a source is synced only now and the xDS port cannot be opened.
        """
        trimming = asyncio.create_task(trim_memory_periodically(lambda: self.xds.connected), name="trimming memory")
        keeping = asyncio.create_task(self.keeper.run(), name="keeping statuses")
        try:
            async with debounced(self.source.watch(self._stop), self.options.debounce) as batches:
                async for batch in batches:
                    await self._try(batch, batches.since)
                    if batch.synced and not self.admin.ready:
                        await self._listen()
        finally:
            trimming.cancel()
            keeping.cancel()

    def stop(self) -> None:
        """Let `run` return."""
        self._stop.set()

    async def close(self) -> None:
        """Let go of the ports; proxies keep what they have and connect again later."""
        self.admin.ready = False
        await self.grpc_server.stop(_GRACE_S)
        await self.admin.stop()

    def _statuses(self) -> Iterable[StreamStatus]:
        return self.xds.statuses()

    async def _try(self, batch: Batch, seen: float) -> None:
        try:
            await self._take(batch, seen)
        except Exception:
            self.metrics.failures.inc()
            log.exception("a change could not be published; what was served before goes on")

    async def _take(self, batch: Batch, seen: float) -> None:
        began = time.monotonic()
        with self.feed.round(seen):
            changed = await self.plane.take(batch)
        took = time.monotonic() - began
        self.metrics.publish.observe(took)
        log.info("%d changes, %d scopes changed, published in %.1f ms", len(batch.changes), changed, took * 1000)
        self.batches += 1
        self.keeper.news()
        await self._say_what_is_new()

    async def _say_what_is_new(self) -> None:
        before, now = self._said, await self.plane.all_findings()
        if now is before:
            return
        self._said = now
        came = await self.plane.executor.run(lambda: self._without(now, before))
        gone = await self.plane.executor.run(lambda: self._without(before, now))
        for prefix, level, findings in (("", logging.WARNING, came), ("resolved: ", logging.INFO, gone)):
            for finding in findings[:_MOST_LINES]:
                log.log(level, "%s%s", prefix, finding_line(finding))
            if len(findings) > _MOST_LINES:
                more = len(findings) - _MOST_LINES
                log.log(level, "%sand %d more: see `mirrorplane check` or /debug/findings", prefix, more)

    def _without(self, findings: tuple[Finding, ...], others: tuple[Finding, ...]) -> list[Finding]:
        """Return findings that are not among others, by place: work for CooperativeExecutor."""
        known = set(self.plane.executor.each(others))
        return [finding for finding in self.plane.executor.each(findings) if finding not in known]


async def serve(options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM. Raises ListenError."""
    app = App(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, app.stop)
    await app.start()
    try:
        await app.run()
    finally:
        await app.close()
        log.info("stopped")
