"""Incremental computation with recorded reads, memoisation and early cutoff: an update costs what changed.

A function that reads through a View is cached with every read it made and the answer it got. After a change, only the
entries behind a changed read are dirty; a dirty entry runs again only when one of its dirty reads really answers
differently, and an equal result keeps the identity of the old one, so a change stops where it stops mattering.
Why recorded reads also give the provenance of a
resource: decision 0013.
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
"""A function and its arguments."""

EMPTY = Snapshot(0, {}, {}, frozenset())


class CycleError(RecursionError):
    """A function that depends on its own answer. The message names the path."""


class Entry:
    """One cached call. `dirty`: the reads that may answer differently since it ran; None when there are none."""

    __slots__ = ("dirty", "reads", "value")  # one for each cached call: a __dict__ would dominate memory

    def __init__(self, value: Any, reads: dict[ReadKey, Any]) -> None:
        self.value, self.reads = value, reads
        self.dirty: set[ReadKey] | None = None


class Engine:
    """The cache of one world. Single-threaded; always answers for the snapshot of the last `advance`.

    Calls that are made from outside again and again are kept by `hold`; other answers that no cached call reads are
    evicted at the next `collect`. `checkpoint` is called between two functions, so that long work can pause there.
    """

    def __init__(self, inputs: Iterable[Input], checkpoint: Callable[[], None] = lambda: None) -> None:
        self._lower = {kind.key: i.lower for i in inputs for kind in i.kinds}
        self.lowering: Callable[[View, Ref], Lowered] = self._lower_object
        self._entries: dict[Call, Entry] = {}
        self._reverse_deps = ReverseDeps()
        self._holds: Counter[Call] = Counter()
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
        """How many calls are cached."""
        return len(self._entries)

    @property
    def view(self) -> "OutsideView":
        """The view for callers outside translators, on the current snapshot."""
        return OutsideView(self)

    def advance(self, snapshot: Snapshot) -> "OutsideView":
        """Move to a snapshot and return the view on it. Everything behind a changed read becomes dirty."""
        self._snapshot = snapshot
        todo: list[ReadKey] = list(snapshot.changed)
        self._busy += 1  # a checkpoint may run other jobs, which must not evict what is being marked
        try:
            while todo:
                self.checkpoint()
                todo += self._mark_dirty(todo.pop())
        finally:
            self._busy -= 1
        return self.view

    def _mark_dirty(self, read: ReadKey) -> Iterator[Call]:
        """Mark the calls that made a read, and yield those that were clean before."""
        for call in self._reverse_deps.readers(read):
            entry = self._entries[call]
            if entry.dirty is not None:
                entry.dirty.add(read)
                continue
            entry.dirty = {read}
            if call in self._holds:  # others are checked when something that reads them is evaluated
                self._touched.add(call)
            self.checkpoint()
            yield call

    @property
    def touched(self) -> frozenset[Call]:
        """The calls kept by `hold` that became dirty and have not been passed to `settle` since."""
        return frozenset(self._touched)

    def settle(self, calls: frozenset[Call]) -> None:
        """Mark touched calls as recomputed: every holder has run them again."""
        self._touched -= calls

    def hold(self, calls: Iterable[Call]) -> None:
        """Keep the answers of calls until each hold is released."""
        self._holds.update(calls)

    def release(self, calls: Iterable[Call]) -> None:
        """Undo one `hold` of each call."""
        for call in calls:
            self.checkpoint()
            self._holds[call] -= 1
            if self._holds[call] <= 0:
                del self._holds[call]
                self._orphans.add(call)

    def collect(self) -> None:
        """Evict every call that is neither held nor read. Does nothing while a call runs: it may have read one."""
        while self._orphans and not self._busy:
            self.checkpoint()
            call = self._orphans.pop()
            if call in self._holds or self._reverse_deps.readers(call):
                continue
            entry = self._entries.pop(call, None)
            if entry is not None:
                self._drop_reads(call, entry.reads)

    def provenance(self, call: Call) -> frozenset[Ref]:
        """Return the Refs of every object that the cached answer of a call was computed from."""
        refs: set[Ref] = set()
        visited, todo = {call}, [call]
        while todo:
            self.checkpoint()
            entry = self._entries.get(todo.pop())
            for read, answer in entry.reads.items() if entry else ():
                if read[0] == GET:
                    refs.update([] if answer is None else [answer.ref])
                elif read[0] == BY:
                    refs.update(obj.ref for obj in answer)
                elif read not in visited:
                    visited.add(read)
                    todo.append(read)
        return frozenset(refs)

    def get(self, ref: Ref) -> AnyObject | None:
        """Answer a read of an object, as of now."""
        return self._snapshot.objects.get(ref)

    def by(self, index: str, key: str) -> tuple[AnyObject, ...]:
        """Answer a read of an index, as of now."""
        return self._snapshot.index.get((index, key), ())

    def lowered(self, ref: Ref) -> Call:
        """Return the call that lowers the object of a Ref."""
        return (self.lowering, ref)

    def query(self, call: Call) -> Any:
        """Answer a call that is made from outside."""
        if call not in self._holds:
            self._orphans.add(call)
        self._busy += 1
        try:
            return self.evaluate(call)
        finally:
            self._busy -= 1

    def _lower_object(self, view: View, ref: Ref) -> Lowered:
        """Lower one object. An exception is our bug: the object keeps its previous translation, others are unharmed."""
        obj = view.get(ref)
        if obj is None:
            return Lowered()
        try:
            return self._lower[ref.kind](view, obj)
        except CycleError:
            raise  # not a fault of this object: `_is_valid` may be checking reads of an old answer
        except Exception as error:
            log.exception("translating %s failed; its previous translation stays in use", ref)
            self.failures += 1
            before = self._entries.get((self.lowering, ref))
            message = f"Mirrorplane failed to translate this object: {type(error).__name__}: {error}"
            finding = Finding(ref, "InternalError", message, fix="report this bug together with the object")
            return msgspec.structs.replace(before.value if before else Lowered(), findings=(finding,))

    def evaluate(self, call: Call) -> Any:
        """Answer a call, from the cache when nothing it read would answer differently now."""
        entry = self._entries.get(call)
        if entry is None:
            return self._run(call)
        if entry.dirty is not None:
            valid = self._is_valid(entry)
            latest = self._entries[call]  # checking a read evaluates it, which may have run this very call
            if not valid and latest is entry:
                return self._run(call)
            entry = latest
        self.hits += 1
        return entry.value

    def _is_valid(self, entry: Entry) -> bool:
        """Check the dirty reads in the order they were made: whether a later one is made may depend on an earlier one.

        Answers are compared by identity, which `_store` and the Store keep for equal values.
        """
        self.checkpoint()
        dirty = entry.dirty or ()
        for read in dirty if len(dirty) == 1 else [read for read in entry.reads if read in dirty]:
            try:
                if self._answer(read) is not entry.reads[read]:
                    return False
            except CycleError:  # reads of old answers may form a circle that a new run does not: let it decide
                return False
        entry.dirty = None
        return True

    def _answer(self, read: ReadKey) -> Any:
        if read[0] == GET:
            return self.get(read[1])
        return self.by(read[1], read[2]) if read[0] == BY else self.evaluate(read)

    def _run(self, call: Call) -> Any:
        if call in self._running:
            path = " -> ".join(getattr(c[0], "__name__", "?") for c in (*self._running, call))
            raise CycleError(f"dependency cycle: {path}")
        reads: dict[ReadKey, Any] = {}
        self._running[call] = None
        self.checkpoint()
        try:
            value = call[0](RecordingView(self, reads), *call[1:])
        finally:
            del self._running[call]
        self.runs += 1
        return self._store(call, value, reads)

    def _store(self, call: Call, value: Any, reads: dict[ReadKey, Any]) -> Any:
        old = self._entries.get(call)
        if old is None:
            self._reverse_deps.add(call, reads)
        else:
            if old.value == value:
                value = old.value  # early cutoff: readers compare by identity
            self._reverse_deps.add(call, reads.keys() - old.reads.keys())
            self._drop_reads(call, old.reads.keys() - reads.keys())
        self._entries[call] = Entry(value, reads)
        return value

    def _drop_reads(self, call: Call, reads: Iterable[ReadKey]) -> None:
        unread = self._reverse_deps.discard(call, reads)
        self._orphans.update(read for read in unread if read[0] not in {GET, BY})


class OutsideView:
    """The View for callers outside translators: their reads are not recorded."""

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
        value: Lowered = self._engine.query(self._engine.lowered(ref))
        return value

    def memo(self, fn: Callable[Concatenate[View, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See View.memo."""
        value: R = self._engine.query(_call(fn, args, kwargs))
        return value


class RecordingView:
    """The View of a running call: it records every read with its answer."""

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
        value: Lowered = self._engine.evaluate(call)
        self._reads[call] = value
        return value

    def memo(self, fn: Callable[Concatenate[View, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See View.memo."""
        call = _call(fn, args, kwargs) if kwargs else (fn, *args)
        value: R = self._engine.evaluate(call)
        self._reads[call] = value
        return value


def _call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """Return the key of a call. Raises TypeError for keyword arguments: they would not be part of it."""
    if kwargs:
        raise TypeError(f"memo({getattr(fn, '__name__', fn)}): pass arguments by position")
    return (fn, *args)
