"""Recorded reads, memo, early cutoff: the answer to a change costs what changed.

A function that reads through a View is remembered with every read it made and the answer it got. After a change, only
entries behind a changed read are suspect; a suspect is run again only when one of its suspect reads really answers
differently, and an equal result keeps the identity of the old one, so a change stops where it stops mattering.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.snapshot import BY, GET, ReadKey, Snapshot
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.reverse_deps import ReverseDeps
from mirrorplane.translators.contract import Input

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
Call = tuple[Any, ...]
EMPTY = Snapshot(0, {}, {}, frozenset())


class CycleError(RecursionError):
    """A function that, through others, asks for its own answer. The message names the path."""


class Entry:
    """One remembered call. `suspects`: reads that may answer differently since it ran; None is not suspect."""

    __slots__ = ("reads", "suspects", "value")

    def __init__(self, value: Any, reads: dict[ReadKey, Any]) -> None:
        self.value, self.reads = value, reads
        self.suspects: set[ReadKey] | None = None


class Engine:
    """The memory of one world. Single-threaded; always answers for the snapshot given to the last `advance`.

    `hold` what is asked for again and again from outside; any other answer is forgotten at the next `collect`.
    `checkpoint` is called now and then between two functions, so that long work can make room for other things.
    """

    def __init__(self, inputs: Iterable[Input], checkpoint: Callable[[], None] = lambda: None) -> None:
        self._lower = {kind.key: i.lower for i in inputs for kind in i.kinds}
        self.lowering: Callable[[View, Ref], Lowered] = self._lower_object
        self._entries: dict[Call, Entry] = {}
        self._readers = ReverseDeps()
        self._held: Counter[Call] = Counter()
        self._touched: set[Call] = set()
        self._orphans: set[Call] = set()
        self._running: dict[Call, None] = {}
        self.checkpoint = checkpoint
        self._busy = 0
        self._snapshot = EMPTY
        self.runs = 0
        self.hits = 0
        self.failures = 0

    @property
    def size(self) -> int:
        """How many calls are remembered."""
        return len(self._entries)

    @property
    def view(self) -> "OutsideView":
        """The view from outside, on whatever snapshot the engine stands at."""
        return OutsideView(self)

    def advance(self, snapshot: Snapshot) -> "OutsideView":
        """Move to a snapshot and return the view on it. Mark everything behind a changed read."""
        self._snapshot = snapshot
        todo: list[ReadKey] = list(snapshot.changed)
        self._busy += 1
        try:
            while todo:
                self.checkpoint()
                todo += self._suspect(todo.pop())
        finally:
            self._busy -= 1
        return self.view

    def _suspect(self, read: ReadKey) -> Iterator[Call]:
        """Suspect the calls that made a read, and yield those that were not suspect before."""
        for call in self._readers.of(read):
            entry = self._entries[call]
            if entry.suspects is not None:
                entry.suspects.add(read)
                continue
            entry.suspects = {read}
            if call in self._held:
                self._touched.add(call)
            self.checkpoint()
            yield call

    @property
    def touched(self) -> frozenset[Call]:
        """The held calls that became suspect since the last `settle`."""
        return frozenset(self._touched)

    def settle(self, calls: frozenset[Call]) -> None:
        """Say that these calls have been asked again by all who hold them."""
        self._touched -= calls

    def hold(self, calls: Iterable[Call]) -> None:
        """Keep the answers of calls, once for each time this is said."""
        self._held.update(calls)

    def release(self, calls: Iterable[Call]) -> None:
        """Take back one `hold` of each call."""
        for call in calls:
            self.checkpoint()
            self._held[call] -= 1
            if self._held[call] <= 0:
                del self._held[call]
                self._orphans.add(call)

    def collect(self) -> None:
        """Forget every call that nobody holds and nothing reads. Not in the middle of work, which may rest on them."""
        while self._orphans and not self._busy:
            self.checkpoint()
            call = self._orphans.pop()
            if call in self._held or self._readers.of(call):
                continue
            entry = self._entries.pop(call, None)
            if entry is not None:
                self._unread(call, entry.reads)

    def provenance(self, call: Call) -> frozenset[Ref]:
        """Return the Refs of every object that the remembered answer of a call was made from."""
        found: set[Ref] = set()
        seen, todo = {call}, [call]
        while todo:
            self.checkpoint()
            entry = self._entries.get(todo.pop())
            for read, answer in entry.reads.items() if entry else ():
                if read[0] == GET:
                    found.update([] if answer is None else [answer.ref])
                elif read[0] == BY:
                    found.update(obj.ref for obj in answer)
                elif read not in seen:
                    seen.add(read)
                    todo.append(read)
        return frozenset(found)

    def get(self, ref: Ref) -> AnyObject | None:
        """Answer a read of an object, as of now."""
        return self._snapshot.objects.get(ref)

    def by(self, index: str, key: str) -> tuple[AnyObject, ...]:
        """Answer a read of an index, as of now."""
        return self._snapshot.index.get((index, key), ())

    def lowered(self, ref: Ref) -> Call:
        """Return the call that answers what the object of a Ref means."""
        return (self.lowering, ref)

    def ask(self, call: Call) -> Any:
        """Answer a call from outside."""
        if call not in self._held:
            self._orphans.add(call)
        self._busy += 1
        try:
            return self.fresh(call)
        finally:
            self._busy -= 1

    def _lower_object(self, view: View, ref: Ref) -> Lowered:
        """Lower one object. An exception is our bug: what the object meant before stays, and nothing else suffers."""
        obj = view.get(ref)
        if obj is None:
            return Lowered()
        try:
            return self._lower[ref.kind](view, obj)
        except CycleError:
            raise
        except Exception as error:
            log.exception("lowering %s failed; what it meant before stays", ref)
            self.failures += 1
            before = self._entries.get((self.lowering, ref))
            reason = f"Mirrorplane failed to read this: {type(error).__name__}: {error}"
            finding = Finding(ref, "InternalError", reason, fix="report it with the object")
            return msgspec.structs.replace(before.value if before else Lowered(), findings=(finding,))

    def fresh(self, call: Call) -> Any:
        """Answer a call, from memory if nothing it read would answer differently now."""
        entry = self._entries.get(call)
        if entry is None:
            return self._run(call)
        if entry.suspects is not None:
            holds = self._holds(entry)
            latest = self._entries[call]  # a read that was checked may have asked for this very call and run it
            if not holds and latest is entry:
                return self._run(call)
            entry = latest
        self.hits += 1
        return entry.value

    def _holds(self, entry: Entry) -> bool:
        """Check the suspect reads in the order they were made: a later one may depend on an earlier answer."""
        self.checkpoint()
        suspects = entry.suspects or ()
        for read in suspects if len(suspects) == 1 else [read for read in entry.reads if read in suspects]:
            try:
                if self._now(read) is not entry.reads[read]:
                    return False
            except CycleError:  # only the old answer's reads form a circle; running again decides
                return False
        entry.suspects = None
        return True

    def _now(self, read: ReadKey) -> Any:
        if read[0] == GET:
            return self.get(read[1])
        return self.by(read[1], read[2]) if read[0] == BY else self.fresh(read)

    def _run(self, call: Call) -> Any:
        if call in self._running:
            path = " -> ".join(getattr(c[0], "__name__", "?") for c in (*self._running, call))
            raise CycleError(f"a translator asks for its own answer: {path}")
        reads: dict[ReadKey, Any] = {}
        self._running[call] = None
        self.checkpoint()
        try:
            value = call[0](RecordingView(self, reads), *call[1:])
        finally:
            del self._running[call]
        self.runs += 1
        return self._remember(call, value, reads)

    def _remember(self, call: Call, value: Any, reads: dict[ReadKey, Any]) -> Any:
        old = self._entries.get(call)
        if old is None:
            self._readers.add(call, reads)
        else:
            if old.value == value:
                value = old.value
            self._readers.add(call, reads.keys() - old.reads.keys())
            self._unread(call, old.reads.keys() - reads.keys())
        self._entries[call] = Entry(value, reads)
        return value

    def _unread(self, call: Call, reads: Iterable[ReadKey]) -> None:
        unread = self._readers.discard(call, reads)
        self._orphans.update(read for read in unread if read[0] not in {GET, BY})


class OutsideView:
    """The View from outside, for asking without being remembered as a reader."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, ref: Ref) -> AnyObject | None:
        """See View.get."""
        return self._engine.get(ref)

    def by(self, index: str, key: str) -> tuple[AnyObject, ...]:
        """See View.by."""
        return self._engine.by(index, key)

    def lowered(self, ref: Ref) -> Lowered:
        """See View.lowered."""
        value: Lowered = self._engine.ask(self._engine.lowered(ref))
        return value

    def memo(self, fn: Callable[Concatenate[View, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See View.memo."""
        value: R = self._engine.ask(_call(fn, args, kwargs))
        return value


class RecordingView:
    """The View of a running call: it writes down what it was asked."""

    __slots__ = ("_engine", "_reads")

    def __init__(self, engine: Engine, reads: dict[ReadKey, Any]) -> None:
        self._engine, self._reads = engine, reads

    def get(self, ref: Ref) -> AnyObject | None:
        """See View.get."""
        value = self._reads[GET, ref] = self._engine.get(ref)
        return value

    def by(self, index: str, key: str) -> tuple[AnyObject, ...]:
        """See View.by."""
        value = self._reads[BY, index, key] = self._engine.by(index, key)
        return value

    def lowered(self, ref: Ref) -> Lowered:
        """See View.lowered."""
        call = self._engine.lowered(ref)
        value: Lowered = self._engine.fresh(call)
        self._reads[call] = value
        return value

    def memo(self, fn: Callable[Concatenate[View, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See View.memo."""
        call = _call(fn, args, kwargs) if kwargs else (fn, *args)
        value: R = self._engine.fresh(call)
        self._reads[call] = value
        return value


def _call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """Return the key of a call. Keyword arguments are not part of it, so they are refused."""
    if kwargs:
        raise TypeError(f"memo({getattr(fn, '__name__', fn)}): pass arguments by position")
    return (fn, *args)
