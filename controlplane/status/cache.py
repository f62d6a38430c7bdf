"""The statuses of all objects as they stand, with the times of their transitions."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence

from mirrorplane.api.meta import Ref
from mirrorplane.api.snapshot import GET, Snapshot
from mirrorplane.api.status import Status
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.controlplane.status.conditions import Plain, own, updated
from mirrorplane.controlplane.status.programmed import Deliveries, Delivery, delivered
from mirrorplane.controlplane.status.sink import StatusSink
from mirrorplane.translators.object_status import has_status, status_of

log = logging.getLogger(__name__)


class StatusCache:
    """What is said of objects is asked for again where it may have changed; what was shown is kept, for its times."""

    def __init__(self, engine: Engine, sink: StatusSink) -> None:
        self._engine, self._sink = engine, sink
        self._written: set[Ref] = set()
        self._due: set[Ref] = set()
        self._programmed: set[Ref] = set()
        self._held: set[Ref] = set()

    def note(self, snapshot: Snapshot, touched: Collection[Call]) -> None:
        """Note which statuses may be others in a snapshot. Nothing is asked yet."""
        self._due.update(read[1] for read in snapshot.changed if read[0] == GET)
        self._due.update(call[1] for call in touched if call[0] is status_of)

    def refresh(self, view: View, snapshot: Snapshot, ask: Callable[[], Deliveries] | None, now: str) -> None:
        """Bring all statuses up to a snapshot and to what proxies have accepted. Work for CooperativeExecutor.

        Proxies are only asked (by `ask`) where there is something to be programmed. `now` is RFC 3339, the time of what
        changed.
        """
        due, asked = {ref for ref in self._due if has_status(ref)} | self._programmed, None
        self._due = set()
        for ref in due:
            self._engine.checkpoint()
            obj = snapshot.objects.get(ref)
            self._hold(ref, there=obj is not None)
            said = self._ask(view, ref)
            if obj is not None and said is not None:
                if asked is None and ask is not None and said.programmed:
                    asked = ask()
                found = delivered(said, _of(asked, ref, said) if asked is not None else None)
                before = self._sink.read(ref)
                after = updated(own(before, found, obj.generation), found, obj.generation, now)
                if after is not before:
                    self._written.add(ref)
                    self._sink.write(ref, after)

    def statuses(self) -> Iterator[tuple[Ref, Plain]]:
        """Yield every status as it was shown last, by Ref."""
        yield from self._sink.statuses()

    def _ask(self, view: View, ref: Ref) -> Status | None:
        """Return what is said of an object; where nothing is, forget what was."""
        try:
            said = view.memo(status_of, ref)
        except Exception:
            log.exception("the status of %s could not be made; the one before stays", ref)
            return None
        if said is None and ref in self._written:
            self._written.remove(ref)
            self._sink.write(ref, None)
        if said is not None and said.programmed:
            self._programmed.add(ref)
        else:
            self._programmed.discard(ref)
        return said

    def _hold(self, ref: Ref, *, there: bool) -> None:
        """Hold what is said of an object while it is there: nothing may become something with what comes later."""
        if there and ref not in self._held:
            self._held.add(ref)
            self._engine.hold([(status_of, ref)])
        elif not there and ref in self._held:
            self._held.remove(ref)
            self._engine.release([(status_of, ref)])


def _of(asked: Deliveries, ref: Ref, said: Status) -> Sequence[Delivery]:
    """Return how far the routers of an object are: of itself, else of the Gateway that it joins."""
    return asked.get(ref, ()) or asked.get(said.served_by or ref, ())
