"""The one-way flow in one place: changes into the Store, a Snapshot through the Engine, resources and findings out."""

from mirrorplane.api.finding import Finding
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet
from mirrorplane.api.snapshot import Snapshot
from mirrorplane.controlplane.engine.catalogue import Catalogue
from mirrorplane.controlplane.engine.engine import EMPTY, Engine
from mirrorplane.controlplane.engine.executor import CooperativeExecutor
from mirrorplane.controlplane.engine.gc_policy import gc_paused
from mirrorplane.controlplane.engine.store import Store
from mirrorplane.controlplane.events.events import FindingsChanged, Published
from mirrorplane.controlplane.events.hub import Events
from mirrorplane.controlplane.findings.store import FindingStore
from mirrorplane.controlplane.publish.publisher import Publisher
from mirrorplane.controlplane.settings import ClientLimits
from mirrorplane.controlplane.sources.changes import Batch
from mirrorplane.controlplane.sources.source import Locate
from mirrorplane.controlplane.status.cache import StatusCache
from mirrorplane.controlplane.status.sink import MemoryStatusSink, StatusSink


class Plane:
    """One world and everything computed from it. Whatever serves, renders or checks goes through here.

    `published` is the version of the last snapshot that every scope has been brought up to. Long work lets other tasks
    run after every `slice_s` seconds. Statuses are written to `sink`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        locate: Locate = lambda _, __: None,
        # See decision 0021.
        slice_s: float = 0.005,
        sink: StatusSink | None = None,
        max_scopes: int = ClientLimits().scopes,
    ) -> None:
        self.executor = CooperativeExecutor(slice_s)
        self.locate = locate
        self.store = Store(catalogue.inputs, self.executor.checkpoint)
        self.engine = Engine(catalogue.inputs, self.executor.checkpoint)
        self.publisher = Publisher(self.engine, catalogue.outputs, self.executor, self._findings_changed, max_scopes)
        self.events = Events()
        self.findings = FindingStore(
            self.engine,
            locate,
            lambda edition: self.events.publish(FindingsChanged(edition)),
            self.publisher.findings,
        )
        self.statuses = StatusCache(self.engine, sink or MemoryStatusSink())
        self.snapshot: Snapshot = EMPTY
        self.published = 0

    def apply(self, batch: Batch) -> None:
        """Apply a source's changes to the store. Nothing is served before the next publish."""
        for change in batch.changes:
            self.store.apply(change.ref, change.obj)
            self.executor.checkpoint()
        self.findings.update_sources(batch.findings)

    async def update(self, batch: Batch) -> int:
        """Apply and publish, pausing between slices; returns how many scopes got new resources."""
        return await self.executor.run(lambda: self._update(batch))

    async def publish(self) -> int:
        """Serve the store's content, pausing between slices; returns how many scopes got new resources."""
        return await self.executor.run(self._publish)

    def render(self, proxy: Proxy) -> ResourceSet:
        """Return exactly what a proxy would be sent. Raises RenderError."""
        return self.publisher.render(proxy)

    async def rendered(self, proxy: Proxy) -> ResourceSet:
        """Do the same while serving, when other work may be in progress. Raises RenderError."""
        return await self.executor.run(lambda: self.publisher.render(proxy))

    async def all_findings(self) -> tuple[Finding, ...]:
        """Return every finding, ordered by file, line and object, while serving: assembling thousands takes long."""
        return await self.executor.run(self.findings.all)

    def _update(self, batch: Batch) -> int:
        self.apply(batch)
        return self._publish()

    def _publish(self) -> int:
        self.snapshot = self.store.freeze()
        with gc_paused(lambda: self.engine.runs):
            view = self.engine.advance(self.snapshot)
            touched = self.engine.touched
            self.findings.refresh(view, self.snapshot, touched)
            self.statuses.mark_due(self.snapshot, touched)
            changed = self.publisher.publish(view, touched)
        # Only now: whoever holds a touched call has run it again by this line.
        self.engine.settle(touched)
        self.published = self.snapshot.version
        self.events.publish(Published(self.published, changed))
        return changed

    def _findings_changed(self) -> None:
        self.findings.changed()
