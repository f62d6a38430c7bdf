"""The current statuses of all objects, computed when something that they depend on changed."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence

from mirrorplane.api.meta import Ref
from mirrorplane.api.snapshot import GET, Snapshot
from mirrorplane.api.status import Status
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.controlplane.status.conditions import Plain, update_status, without_stale_entries
from mirrorplane.controlplane.status.programmed import Deliveries, ProgrammedState, apply_deliveries
from mirrorplane.controlplane.status.sink import StatusSink
from mirrorplane.translators.status import has_status, status_of

log = logging.getLogger(__name__)


class StatusCache:
    """Notes which statuses may have changed, computes those on `refresh`, and writes the ones that did to the sink.

    What was written before is read back, because a transition time is kept while its condition stays the same.
    """

    def __init__(self, engine: Engine, sink: StatusSink) -> None:
        self._engine, self._sink = engine, sink
        self._written: set[Ref] = set()
        self._due: set[Ref] = set()
        self._programmed: set[Ref] = set()
        """Objects with a Programmed condition: due at each refresh, since proxies answer at any time."""
        self._held: set[Ref] = set()

    def mark_due(self, snapshot: Snapshot, touched: Collection[Call]) -> None:
        """Note which statuses may be different in a snapshot. Nothing is computed yet."""
        self._due.update(read[1] for read in snapshot.changed if read[0] == GET)
        self._due.update(call[1] for call in touched if call[0] is status_of)

    def refresh(
        self, view: View, snapshot: Snapshot, deliveries: Callable[[], Deliveries] | None, now: str
    ) -> tuple[Ref, ...]:
        """Compute the statuses that are due, write those that changed, and return their Refs.

        `deliveries` says what proxies have accepted; it is called once, and only if a status depends on it. None: no
        proxies are known. `now` is RFC 3339, the time of the change. Work for CooperativeExecutor.
        """
        due = {ref for ref in self._due if has_status(ref)} | self._programmed
        self._due = set()
        accepted: Deliveries | None = None
        changed: list[Ref] = []
        for ref in due:
            self._engine.checkpoint()
            obj = snapshot.objects.get(ref)
            self._hold(ref, exists=obj is not None)
            try:
                status = view.memo(status_of, ref)
            except Exception:
                log.exception("the status of %s could not be computed; it stays as it was", ref)
                continue
            self._note_programmed(ref, status)
            if obj is None or status is None:
                changed += self._remove(ref)
                continue
            if accepted is None and deliveries is not None and status.programmed:
                accepted = deliveries()
            status = apply_deliveries(status, None if accepted is None else _deliveries_for(accepted, ref, status))
            changed += self._write(ref, status, obj.generation, now)
        return tuple(changed)

    def statuses(self) -> Iterator[tuple[Ref, Plain]]:
        """Yield every status as it was last written, ordered by Ref."""
        yield from self._sink.statuses()

    def _write(self, ref: Ref, status: Status, generation: int, now: str) -> tuple[Ref, ...]:
        before = self._sink.read(ref)
        after = update_status(without_stale_entries(before, status, generation), status, generation, now)
        if after is before:
            return ()
        self._written.add(ref)
        self._sink.write(ref, after)
        return (ref,)

    def _remove(self, ref: Ref) -> tuple[Ref, ...]:
        if ref not in self._written:
            return ()
        self._written.remove(ref)
        self._sink.write(ref, None)
        return (ref,)

    def _note_programmed(self, ref: Ref, status: Status | None) -> None:
        if status is not None and status.programmed:
            self._programmed.add(ref)
        else:
            self._programmed.discard(ref)

    def _hold(self, ref: Ref, *, exists: bool) -> None:
        """Keep the engine's answer while the object exists.

        Also without a status: an object that appears later may give this one a status.
        """
        if exists and ref not in self._held:
            self._held.add(ref)
            self._engine.hold([(status_of, ref)])
        elif not exists and ref in self._held:
            self._held.remove(ref)
            self._engine.release([(status_of, ref)])


def _deliveries_for(deliveries: Deliveries, ref: Ref, status: Status) -> Sequence[ProgrammedState]:
    """Return how far an object's routers are: its own, else those of the Gateway that it is attached to."""
    return deliveries.get(ref, ()) or deliveries.get(status.served_by or ref, ())
