"""The running control plane: sources, the plane, the xDS server and the admin server, wired and started in order."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from mirrorplane.api.meta import AnyObject
from mirrorplane.controlplane.admin.server import Admin
from mirrorplane.controlplane.configured_sources import file_source, flag_source
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.engine.gc_policy import exempt_loaded_objects, trim_memory_periodically
from mirrorplane.controlplane.events.events import FindingsChanged
from mirrorplane.controlplane.feed import PlaneFeed
from mirrorplane.controlplane.findings.log import FindingLog
from mirrorplane.controlplane.grpc_server.server import GrpcServer, TransportLimits
from mirrorplane.controlplane.identity.authoriser import Authoriser, Security
from mirrorplane.controlplane.identity.certificates import TlsState
from mirrorplane.controlplane.observe.change_log import log_changes
from mirrorplane.controlplane.observe.logs import fields
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.query.queries import Queries
from mirrorplane.controlplane.settings import Address, ClientLimits
from mirrorplane.controlplane.sources.changes import Batch
from mirrorplane.controlplane.sources.debounce import Debounce, debounced
from mirrorplane.controlplane.sources.merged import Sources
from mirrorplane.controlplane.sources.source import Source
from mirrorplane.controlplane.status_updater import StatusUpdater
from mirrorplane.controlplane.xds.push_order import SERVER_LIMITS, PushLimits
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.controlplane.xds.streams import XdsStreams

log = logging.getLogger(__name__)
_QUIET_S = 0.2
"""Many proxies report one problem within moments of each other: their findings are compared once."""
_GRACE_S = 1.0
"""How long streams may take to end when the server stops."""


class ServeOptions(msgspec.Struct, frozen=True):
    """What `mirrorplane serve` serves and where. `paths` are manifests; `objects` come from flags."""

    paths: tuple[Path, ...]
    xds: Address
    admin: Address
    debounce: Debounce = Debounce()
    security: Security = Security()
    push_limits: PushLimits = SERVER_LIMITS
    objects: tuple[AnyObject, ...] = ()
    client_limits: ClientLimits = ClientLimits()


class ListenError(RuntimeError):
    """An address that cannot be listened on. The message names it."""


class App:
    """One control plane process. `start` serves proxies as soon as all sources are synced; `run` follows changes.

    `sources` replace the manifests of `options.paths`; the first one takes precedence. Objects of flags, and those put
    into `internal` at run time, override them all.
    """

    def __init__(self, options: ServeOptions, sources: Sequence[Source] = ()) -> None:
        """Wire everything up. Raises FileProblemError for certificates or keys that cannot be used."""
        self.options = options
        self.internal = flag_source(options.objects)
        self.source: Source = Sources((self.internal, *(sources or [file_source(options.paths, catalogue())])))
        client_limits = options.client_limits
        self.plane = Plane(catalogue(), self.source.locate, max_scopes=client_limits.scopes)
        self.metrics = Metrics(self.plane, self._tls_state)
        self.status_updater = StatusUpdater(self.plane, self._streams)
        self.feed = PlaneFeed(self.plane, self.metrics)
        self.xds = XdsStreams(self.feed, options.push_limits, client_limits.first_message)
        self.authoriser = Authoriser(options.security)
        transport = TransportLimits(max_client_calls=client_limits.streams)
        self.grpc_server = GrpcServer(
            str(options.xds), self.xds.services, self.authoriser, transport, self.metrics.count_refusal
        )
        self.queries = Queries(self.plane, self._streams, self.status_updater)
        self.admin = Admin(self.queries, self.metrics, self.plane.events, self.authoriser)
        self.admin.checks = self._ready_checks
        self.xds_port = self.admin_port = self.batches = 0
        self._synced = False
        self._finding_log = FindingLog(self.plane.executor)
        self._stop = asyncio.Event()

    def _tls_state(self) -> TlsState:
        return self.grpc_server.tls_state()

    def _ready_checks(self) -> dict[str, bool]:
        return {f"read: {self.source.name}": self._synced, f"listening: xDS on {self.options.xds}": self.admin.ready}

    async def start(self) -> None:
        """Read all sources and publish, then listen: a proxy never sees half of a world. Raises ListenError.

        While a source is not synced (see Batch), the xDS port stays closed; `run` opens it.
        """
        batch = await self.source.load()
        await self._publish(batch, time.monotonic())
        # What was loaded has no cycles: later collections need not walk it. See decision 0014.
        exempt_loaded_objects()
        try:
            self.admin_port = await self.admin.start(self.options.admin)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
            message = f"cannot listen on {self.options.admin}: {reason}: set --admin-address to a free one"
            raise ListenError(message) from error
        if not self.plane.snapshot.objects:
            log.warning("no object was read from %s", ", ".join(map(str, self.options.paths)) or self.source.name)
        if batch.synced:
            await self._listen()
        else:
            log.warning("waiting to serve proxies: not everything could be read from %s", self.source.name)

    async def run(self) -> None:
        """Follow the sources until `stop` is called; changes seen until then are still published.

        Raises ListenError when a source is synced only now and the xDS port cannot be opened.
        """
        tasks = [
            asyncio.create_task(trim_memory_periodically(lambda: self.xds.connected), name="trimming memory"),
            asyncio.create_task(self.status_updater.run(), name="updating statuses"),
            asyncio.create_task(self._follow_findings(), name="logging findings"),
        ]
        try:
            async with debounced(self.source.watch(self._stop), self.options.debounce) as batches:
                async for batch in batches:
                    await self._try_publish(batch, batches.since)
                    if batch.synced and not self.admin.ready:
                        await self._listen()
        finally:
            for task in tasks:
                task.cancel()

    def reread(self) -> None:
        """Read all sources again soon, although nothing shows that they changed."""
        log.info("reading everything again")
        self.source.reread()

    def stop(self) -> None:
        """Let `run` return."""
        self._stop.set()

    async def close(self) -> None:
        """Close the ports. Proxies keep their configuration and reconnect later."""
        self.admin.ready = False
        await self.grpc_server.stop(_GRACE_S)
        await self.admin.stop()

    async def _listen(self) -> None:
        try:
            self.xds_port = await self.grpc_server.start()
        # What grpc.aio raises for a port that it cannot bind.
        except RuntimeError as error:
            await self.admin.stop()
            message = f"cannot listen on {self.options.xds}: is the port taken? Set --xds-address to a free one"
            raise ListenError(message) from error
        self.admin.ready = True
        xds, admin = self.options.xds, self.options.admin
        log.info("serving xDS on %s:%d, admin on %s:%d", xds.host, self.xds_port, admin.host, self.admin_port)

    def _streams(self) -> Iterable[StreamStatus]:
        return self.xds.statuses()

    async def _follow_findings(self) -> None:
        """Log findings that come with proxies and not with a batch: rejections, and what routers do not serve."""
        with self.plane.events.subscribe(FindingsChanged) as queue:
            while True:  # once before the first event: proxies may have connected already
                try:
                    await self._finding_log.update(await self.plane.all_findings())
                except Exception:
                    log.exception("findings could not be logged")
                await queue.take()
                await asyncio.sleep(_QUIET_S)

    async def _try_publish(self, batch: Batch, seen: float) -> None:
        """Publish a batch. An exception is our bug: proxies keep what they have, and later changes are followed."""
        try:
            await self._publish(batch, seen)
        except Exception:
            self.metrics.failures.inc()
            log.exception("a change could not be published; proxies keep their configuration")

    async def _publish(self, batch: Batch, seen: float) -> None:
        """Publish a batch that was seen at a time of the monotonic clock."""
        began, before = time.monotonic(), self.plane.snapshot.objects
        with self.feed.round(seen):
            scopes = await self.plane.update(batch)
        seconds = time.monotonic() - began
        self.metrics.publish.observe(seconds)
        self.metrics.last_publish.set_to_current_time()
        if self.batches:  # not the first: nothing was there before, and a mesh has thousands
            log_changes(batch.changes, before, self.source.locate)
        took_ms = round(seconds * 1000, 1)
        log.info(
            "objects changed: %d, proxy groups updated: %d, in %.1f ms",
            *(len(batch.changes), scopes, took_ms),
            extra=fields(objects=len(batch.changes), scopes=scopes, took_ms=took_ms),
        )
        self.batches += 1
        self._synced = batch.synced
        await self._finding_log.update(await self.plane.all_findings())


async def serve(options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP reads the manifests again. Raises ListenError."""
    app = App(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, app.stop)
    loop.add_signal_handler(signal.SIGHUP, app.reread)
    await app.start()
    try:
        await app.run()
    finally:
        await app.close()
        log.info("stopped")
