"""Manifests from files and folders: owns when each file was read, and the watching.

This does the I/O (disk, thread, clock); the rules are in last_good, ownership, missing, settle and file_findings.
See decisions 0020 and 0139.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.manifests.decode import Accept, Registry, accept_all
from mirrorplane.controlplane.manifests.documents import require_libyaml
from mirrorplane.controlplane.manifests.drafts import Draft
from mirrorplane.controlplane.sources.changes import Batch
from mirrorplane.controlplane.sources.files.events import NO_EVENTS, TICK_S, Events, file_events
from mirrorplane.controlplane.sources.files.file_findings import file_findings, missing_finding
from mirrorplane.controlplane.sources.files.last_good import NO_STATE, FileState, next_state
from mirrorplane.controlplane.sources.files.listing import (
    SUFFIXES,
    Fingerprint,
    Listing,
    NotUtf8Error,
    TooDeepError,
    absolute,
    is_below,
)
from mirrorplane.controlplane.sources.files.missing import Deletions
from mirrorplane.controlplane.sources.files.ownership import FileIndex, Transition, apply_updates
from mirrorplane.controlplane.sources.files.reading import FileProblem, Reader, Reading
from mirrorplane.controlplane.sources.files.roots import Roots, identities
from mirrorplane.controlplane.sources.files.settle import until_quiet
from mirrorplane.controlplane.sources.source import Location

MANIFEST_NAMES: Final = "a file in a folder must end in .yaml, .yml or .json"
"""What to tell a user whose folder seems to be empty."""

_WALK_SHARE: Final = 200
"""Events can be lost (network disks, full queues), so all files are listed without one too: every second, or as seldom
as it takes to use 1/200 of a core. 10,000 files take 0.1 s."""
_BURST: Final = 1000
"""Paths touched at once after which all files are soon listed: the kernel queues 16,384 events, and loses more."""
_LONGEST_WAIT_S: Final = 2.0
_SHORTEST_PAUSE_S: Final = 0.01


class FileSource:
    """The objects of manifest files: `*.yaml`, `*.yml`, `*.json` below the given folders, and single files.

    `load` once, then `watch`. A bad edit never removes what serves (see last_good). The source waits for a file that
    is being written (see `watch`). Two files may define one Ref (see ownership). A given folder that vanishes as a
    whole is taken for an accident: its objects keep serving until it is back. Deleting a file deletes its objects, once
    it is certain (see missing).
    """

    def __init__(
        self,
        paths: Sequence[Path],
        registry: Registry,
        accept: Accept = accept_all,
        inline: Mapping[str, bytes] | None = None,
    ) -> None:
        """`inline` is content that is in no file, by the name that findings give it: it never changes."""
        require_libyaml()
        self._paths, self._inline = tuple(paths), dict(inline or {})
        self._reader = Reader(registry, accept)
        self._listing = Listing(())
        self._walk_at = 0.0
        self._roots = Roots()
        self._deletions = Deletions()
        self._read_as: dict[str, Fingerprint] = {}
        self._waiting: set[str] = set()
        self._replaced: set[str] = set()
        self._index = FileIndex()
        self._findings: dict[str, tuple[Finding, ...]] = {}

    @property
    def name(self) -> str:
        """See Source.name: the given paths."""
        return ", ".join((*map(str, self._paths), *self._inline)) or "no files"

    @property
    def ignored(self) -> Counter[str]:
        """How many manifests of each unsupported kind the files hold, by `Kind.key`."""
        return Counter(kind for state in self._index.files.values() for kind in state.ignored)

    @property
    def is_empty(self) -> bool:
        """Tell whether the files hold nothing: no object, none that is ignored, and nothing that is wrong."""
        return not (self._index.serving or self.ignored or any(self._findings.values()))

    def drafts(self) -> Iterator[Draft]:
        """Yield what can be read of rejected objects, of each that nothing else defines. See decision 0136."""
        flawed = (manifest.decoded for state in self._index.files.values() for _, manifest in state.flawed)
        by_ref = {decoded.ref: decoded.draft for decoded in flawed if decoded.draft and decoded.ref}
        yield from (draft for ref, draft in by_ref.items() if ref not in self._index.serving)

    async def load(self) -> Batch:
        """See Source.load. Reads in a thread."""
        return await asyncio.to_thread(self.rescan)

    def rescan(self, touched: Collection[str] = ()) -> Batch:
        """Read the files that are new, differ or are in `touched` (absolute paths), and return what changed.

        Blocks, and does not wait: a file that is being written is read as it is, one that is missing was deleted.
        """
        self._roots.changes(self._paths)
        candidates = self._walk()
        return self._update(candidates, touched, self._missing_files(candidates), patient=False)

    def reread(self) -> None:
        """See Source.reread."""
        self._walk_at = 0.0
        self._read_as.clear()

    def locate(self, ref: Ref, path: str) -> Location | None:
        """See Source.locate: the file and line of a field of the object that serves, else of its draft."""
        index = self._index
        served = index.serving.get(ref)
        if served:
            return Location(served.owner[0], index.claim(ref, served.owner).line(path))
        flawed = ((file, manifest) for file, state in index.files.items() for _, manifest in state.flawed)
        drafts = ((file, manifest) for file, manifest in flawed if manifest.decoded.ref == ref)
        return next((Location(file, manifest.line(path)) for file, manifest in drafts), None)

    async def watch(self, stop: asyncio.Event) -> AsyncIterator[Batch]:
        """See Source.watch. Reads in a thread.

        Files that are written in place are read once they are quiet (see until_quiet), or after 2 s. A file that was
        renamed into its place is read at once, unless another file has to be waited for.
        """
        while not stop.is_set():
            watched = identities(self._paths)
            async with aclosing(file_events(list(watched), stop)) as events:
                async for event in events:
                    async for batch in self._follow(event, stop):
                        yield batch
                    if identities(self._paths) != watched:  # watches follow inodes, not names: watch the new ones
                        break

    async def _follow(self, event: Events, stop: asyncio.Event) -> AsyncIterator[Batch]:
        """Yield what events change, and what is due soon."""
        wait: float | None = 0.0
        while wait is not None and not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)
            batch = await self._scan_when_quiet(event, stop)
            if batch:
                yield batch
            event, due = NO_EVENTS, self._deletions.next_at
            wait = max(due - time.monotonic(), _SHORTEST_PAUSE_S) if due else None
            wait = None if wait and wait > TICK_S else wait  # there is a turn for it every second

    async def _scan_when_quiet(self, event: Events, stop: asyncio.Event) -> Batch:
        give_up = time.monotonic() + _LONGEST_WAIT_S
        while not stop.is_set():
            patience = give_up - time.monotonic()
            result = await asyncio.to_thread(self._try_scan, event, patient=patience > 0)
            if isinstance(result, Batch):
                return result
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(result + _SHORTEST_PAUSE_S, max(patience, 0)))
        return Batch()

    def _try_scan(self, event: Events, *, patient: bool) -> Batch | float:
        """Return what changed; or, when patient, the seconds to wait until files that are being written are quiet."""
        changed, replaced = self._roots.changes(self._paths)
        candidates = self._look(event, everywhere=changed)
        self._replaced |= replaced
        self._mistrust(candidates, event.vanished)
        files = {path: mark for path in candidates if (mark := self._listing.files.get(path))}
        wait = until_quiet(files, self._read_as, event.touched, time.time()) if patient else 0.0
        if wait:
            unread = (path for path, mark in files.items() if self._read_as.get(path) != mark)
            self._waiting.update(unread, self._missing_files(candidates))
            return wait
        return self._update(candidates, event.touched, self._deleted_files(candidates), patient=patient)

    def _look(self, event: Events, *, everywhere: bool) -> Collection[str]:
        """List what may differ, or everything; return the paths to compare."""
        now, due = time.monotonic(), self._deletions.next_at
        # A file that was renamed is missing under one name; before its objects go, it is looked for everywhere.
        if not (everywhere or event.lost or now >= self._walk_at or (due and now >= due)):
            again = map(absolute, self._waiting | self._deletions.paths)
            differing = self._listing.refresh({*event.touched, *again})
            if differing is not None:
                return differing
        return self._walk(soon=len(event.touched) > _BURST)

    def _walk(self, *, soon: bool = False) -> Collection[str]:
        began = time.thread_time()
        self._listing = Listing(self._paths)
        cost = 0.0 if soon else _WALK_SHARE * (time.thread_time() - began)
        self._walk_at = time.monotonic() + max(TICK_S, cost)
        return self._listing.files.keys() | self._index.files.keys()

    def _mistrust(self, candidates: Collection[str], vanished: Collection[str]) -> None:
        """Read anew, and wait until they are quiet, files that were deleted and written again under their names."""
        for path in candidates if vanished or self._replaced else ():
            if absolute(path) in vanished or any(is_below(path, root) for root in self._replaced):
                self._read_as.pop(path, None)

    def _missing_files(self, candidates: Collection[str]) -> set[str]:
        """Return which of these paths had something and are not there."""
        known = self._index.files
        return {path for path in candidates if path in known and path not in self._inline and self._is_missing(path)}

    def _is_missing(self, path: str) -> bool:
        # A given path that does not exist is not listed; a link that leads nowhere may lead somewhere again.
        error = self._listing.unlisted.get(path)
        return self._listing.lacks(path) or (isinstance(error, FileNotFoundError) and not Path(path).is_symlink())

    def _deleted_files(self, candidates: Collection[str]) -> set[str]:
        """Return the missing files that count as deleted. Those without objects always do."""
        files, now = self._index.files, time.monotonic()
        missing = self._missing_files({*candidates, *self._deletions.paths})
        held = {path for path in missing if files[path].claims}
        gone = missing - held
        for root in map(str, self._paths):
            gone |= self._deletions.update(root, held, files, now, replaced=root in self._replaced)
        self._replaced.clear()
        return gone

    def _update(
        self, candidates: Collection[str], touched: Collection[str], gone: Collection[str], *, patient: bool
    ) -> Batch:
        self._waiting.clear()
        states: dict[str, FileState | None] = dict.fromkeys(gone)
        states |= dict(self._unlisted(gone))
        states |= dict(self._read(candidates, touched, patient=patient))
        states |= dict(self._read_inline())
        for path in states:
            if path not in self._listing.files:
                self._read_as.pop(path, None)
        updates = {path: state for path, state in states.items() if state != self._index.files.get(path)}
        transition = apply_updates(self._index, updates) if updates else Transition(self._index, (), frozenset())
        self._index = transition.index
        return Batch(transition.changes, self._new_findings(transition.concerned.union(map(str, self._paths))))

    def _unlisted(self, gone: Collection[str]) -> Iterator[tuple[str, FileState]]:
        given = {str(path) for path in self._paths}
        for path, error in self._listing.unlisted.items():
            below = sum(is_below(served.owner[0], path) for served in self._index.serving.values())
            irrelevant = not isinstance(error, TooDeepError | NotUtf8Error) and not path.endswith(SUFFIXES)
            if irrelevant and path not in given and not below:
                continue
            still = f"; still serving the {below} objects last read from it" if below else ""
            problem = FileProblem(f"cannot be read: {error.strerror or error}{still}")
            yield path, next_state(NO_STATE if path in gone else self._index.state(path), Reading(problem=problem))

    def _read(
        self, candidates: Collection[str], touched: Collection[str], *, patient: bool
    ) -> Iterator[tuple[str, FileState]]:
        for path in sorted(candidates):
            mark = self._listing.files.get(path)
            if mark is None or (self._read_as.get(path) == mark and absolute(path) not in touched):
                continue
            self._read_as.pop(path, None)
            try:
                reading = self._reader.read(path)
            except FileNotFoundError:
                self._waiting.add(path)  # deleted after the listing: the next scan will miss it
                continue
            if not reading.fingerprint:
                self._waiting.add(path)
            elif patient and reading.fingerprint != mark:
                self._waiting.add(path)  # a write began after the listing: left for the next scan, which waits for it
                continue
            else:
                self._read_as[path] = reading.fingerprint
            yield path, next_state(self._index.state(path), reading)

    def _read_inline(self) -> Iterator[tuple[str, FileState]]:
        for name, body in self._inline.items():
            if name not in self._index.files:
                yield name, next_state(NO_STATE, self._reader.parse(name, body))

    def _new_findings(self, concerned: Collection[str]) -> dict[str, tuple[Finding, ...]]:
        """Return the findings of those files whose findings differ from the last ones."""
        current = {path: self._findings_of(path) for path in sorted(concerned)}
        updates = {path: findings for path, findings in current.items() if findings != self._findings.get(path, ())}
        self._findings.update(updates)
        return updates

    def _findings_of(self, path: str) -> tuple[Finding, ...]:
        missing = self._deletions.missing(path)
        held_back = (missing_finding(path, missing),) if missing and missing.many and path not in missing.paths else ()
        return (*held_back, *file_findings(self._index, path))
