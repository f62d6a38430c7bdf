"""Recorded reads, memo, early cutoff: the answer to a change costs what changed.

A function that reads through a View is remembered with every read it made and the answer it got. After a change, only
entries behind a changed read are suspect; a suspect is run again only when one of its suspect reads really answers
differently, and an equal result keeps the identity of the old one, so a change stops where it stops mattering.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from api.finding import Finding
from api.mesh import Lowered
from api.meta import AnyObject, Ref
from api.snapshot import BY, GET, ReadKey, Snapshot
from api.view import View
from translators.contract import Input

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
    """The memory of one world. Single-threaded; always answers for the snapshot given to the last `advance`."""

    def __init__(self, inputs: Iterable[Input]) -> None:
        self._lower = {kind.key: i.lower for i in inputs for kind in i.kinds}
        self._lowered: Callable[[View, Ref], Lowered] = self._lower_object
        self._entries: dict[Call, Entry] = {}
        self._readers: defaultdict[ReadKey, set[Call]] = defaultdict(set)
        self._roots: set[Call] = set()
        self._touched: set[Call] = set()
        self._orphans: set[Call] = set()
        self._running: dict[Call, None] = {}
        self._snapshot = EMPTY
        self.runs = 0
        self.hits = 0
        self.failures = 0

    @property
    def size(self) -> int:
        """How many calls are remembered."""
        return len(self._entries)

    def remembered(self) -> tuple[Call, ...]:
        """Return the calls that are remembered."""
        return tuple(self._entries)

    @property
    def view(self) -> "RecordingView":
        """The view from outside, on whatever snapshot the engine stands at."""
        return RecordingView(self, None)

    def advance(self, snapshot: Snapshot) -> "RecordingView":
        """Move to a snapshot and return the view on it. Suspects everything behind a changed read."""
        self._snapshot = snapshot
        todo: list[ReadKey] = list(snapshot.changed)
        while todo:
            read = todo.pop()
            for call in self._readers.get(read, ()):
                entry = self._entries[call]
                if entry.suspects is not None:
                    entry.suspects.add(read)
                    continue
                entry.suspects = {read}
                todo.append(call)
                if call in self._roots:
                    self._touched.add(call)
        return self.view

    def touched(self) -> set[Call]:
        """Return, once, the root calls (asked for from outside) that became suspect since the last time."""
        touched, self._touched = self._touched, set()
        return touched

    def release(self, calls: Iterable[Call]) -> None:
        """Say that nobody outside asks for these calls any more."""
        for call in calls:
            self._roots.discard(call)
            self._orphans.add(call)

    def collect(self) -> None:
        """Forget every call that nothing reads any more."""
        while self._orphans:
            call = self._orphans.pop()
            if call in self._roots or self._readers.get(call):
                continue
            self._readers.pop(call, None)
            entry = self._entries.pop(call, None)
            if entry is not None:
                self._unread(call, entry.reads)

    def provenance(self, call: Call) -> frozenset[Ref]:
        """Return the Refs of every object that the remembered answer of a call was made from."""
        found: set[Ref] = set()
        seen, todo = {call}, [call]
        while todo:
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
        return (self._lowered, ref)

    def ask(self, call: Call) -> Any:
        """Answer a call from outside: it becomes a root, kept until released."""
        self._roots.add(call)
        return self.fresh(call)

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
            before = self._entries.get((self._lowered, ref))
            reason = f"Mirrorplane failed to read this: {type(error).__name__}: {error}"
            finding = Finding(ref, "InternalError", reason, fix="report it with the object")
            return msgspec.structs.replace(before.value if before else Lowered(), findings=(finding,))

    def fresh(self, call: Call) -> Any:
        """Answer a call, from memory if nothing it read would answer differently now."""
        entry = self._entries.get(call)
        if entry is None:
            return self._run(call)
        holds = entry.suspects is None or self._holds(entry)
        latest = self._entries[call]  # a read that was checked may have asked for this very call and run it
        if holds or latest is not entry:
            self.hits += 1
            return latest.value
        return self._run(call)

    def _holds(self, entry: Entry) -> bool:
        """Check the suspect reads in the order they were made: a later one may depend on an earlier answer."""
        for read, was in entry.reads.items():
            if entry.suspects is not None and read in entry.suspects:
                try:
                    if self._now(read) is not was:
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
        try:
            value = call[0](RecordingView(self, reads), *call[1:])
        finally:
            del self._running[call]
        self.runs += 1
        return self._remember(call, value, reads)

    def _remember(self, call: Call, value: Any, reads: dict[ReadKey, Any]) -> Any:
        old = self._entries.get(call)
        for read in reads if old is None else reads.keys() - old.reads.keys():
            self._readers[read].add(call)
        if old is not None:
            if old.value == value:
                value = old.value
            self._unread(call, old.reads.keys() - reads.keys())
        self._entries[call] = Entry(value, reads)
        return value

    def _unread(self, call: Call, reads: Iterable[ReadKey]) -> None:
        for read in reads:
            readers = self._readers.get(read)
            if readers is None:
                continue
            readers.discard(call)
            if not readers:
                del self._readers[read]
                if read[0] not in {GET, BY}:
                    self._orphans.add(read)


class RecordingView:
    """A View that writes down what it was asked. Without a record it is the outside, whose calls become roots."""

    __slots__ = ("_engine", "_reads")

    def __init__(self, engine: Engine, reads: dict[ReadKey, Any] | None) -> None:
        self._engine, self._reads = engine, reads

    def get(self, ref: Ref) -> AnyObject | None:
        """See View.get."""
        value = self._engine.get(ref)
        if self._reads is not None:
            self._reads[GET, ref] = value
        return value

    def by(self, index: str, key: str) -> tuple[AnyObject, ...]:
        """See View.by."""
        value = self._engine.by(index, key)
        if self._reads is not None:
            self._reads[BY, index, key] = value
        return value

    def lowered(self, ref: Ref) -> Lowered:
        """See View.lowered."""
        value: Lowered = self._asked(self._engine.lowered(ref))
        return value

    def memo(self, fn: Callable[Concatenate[View, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See View.memo. Keyword arguments are not part of the key, so they are refused."""
        if kwargs:
            raise TypeError(f"memo({getattr(fn, '__name__', fn)}): pass arguments by position")
        value: R = self._asked((fn, *args))
        return value

    def _asked(self, call: Call) -> Any:
        if self._reads is None:
            return self._engine.ask(call)
        value = self._reads[call] = self._engine.fresh(call)
        return value
