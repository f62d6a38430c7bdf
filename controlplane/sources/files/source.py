"""Manifests from files and folders: owns what was read when, and the watching of them.

Separate from the rules (holding, world, remarks) because this has the hands: the disk, the thread, the events.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final

import watchfiles

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.manifests.decode import Accept, Registry, accept_all
from mirrorplane.controlplane.manifests.documents import require_libyaml
from mirrorplane.controlplane.sources.changes import Batch
from mirrorplane.controlplane.sources.files.file_findings import remarks
from mirrorplane.controlplane.sources.files.last_good import NOTHING, Holding, hold
from mirrorplane.controlplane.sources.files.listing import (
    SUFFIXES,
    Fingerprint,
    Listing,
    TooDeepError,
    absolute,
    is_below,
)
from mirrorplane.controlplane.sources.files.ownership import World, settle
from mirrorplane.controlplane.sources.files.reading import Problem, Reader, Reading
from mirrorplane.controlplane.sources.files.settle import until_quiet
from mirrorplane.controlplane.sources.source import Location

_STEP_MS: Final = 20
_DEBOUNCE_MS: Final = 200
_LOOK_AGAIN_S: Final = 1.0
"""Events can be lost (network disks, full queues, a folder made anew), so now and then we look without one."""
_LONGEST_WAIT_S: Final = 2.0
_SHORTEST_PAUSE_S: Final = 0.01


class FileSource:
    """The objects of manifest files: `*.yaml`, `*.yml`, `*.json` below the given folders, and single files.

    `load` once, then `watch`. A bad edit never removes what serves: see `holding`. A file that is being written is
    waited for: see `watch`. Two manifests of one Ref: see `world`. A given folder that vanishes as a whole is taken for
    an accident: its objects go on serving until it is back; a file that vanishes from a folder takes its objects along.
    """

    def __init__(self, paths: Sequence[Path], registry: Registry, accept: Accept = accept_all) -> None:
        require_libyaml()
        self._paths = tuple(paths)
        self._reader = Reader(registry, accept)
        self._read_as: dict[str, Fingerprint] = {}
        self._world = World()
        self._said: dict[str, tuple[Finding, ...]] = {}

    @property
    def name(self) -> str:
        """See Source.name: the given paths."""
        return ", ".join(map(str, self._paths)) or "no files"

    @property
    def ignored(self) -> Counter[str]:
        """How many manifests there are of each kind that nobody here reads, by `Kind.key`."""
        return Counter(kind for held in self._world.files.values() for kind in held.ignored)

    async def load(self) -> Batch:
        """See Source.load. Reads in a thread."""
        return await asyncio.to_thread(self.rescan)

    def rescan(self, touched: Collection[str] = ()) -> Batch:
        """Return what is new: reads the files that are new, differ, or are in `touched` (absolute).

        Blocks, and waits for nobody: a file that is being written is read as it is.
        """
        return self._scan(Listing(self._paths), touched)

    def _scan(self, listing: Listing, touched: Collection[str], *, patient: bool = False) -> Batch:
        read = self._read(listing, touched, patient=patient)
        news = dict(self._gone(listing)) | dict(self._unlisted(listing)) | dict(read)
        if not news:
            return Batch()
        settled = settle(self._world, news)
        self._world = settled.world
        return Batch(settled.changes, self._say(settled.concerned))

    def locate(self, ref: Ref, path: str) -> Location | None:
        """See Source.locate: the file and line of a field of the object that serves."""
        world = self._world
        served = world.serving.get(ref)
        return Location(served.owner[0], world.claim(ref, served.owner).line(path)) if served else None

    async def watch(self, stop: asyncio.Event) -> AsyncIterator[Batch]:
        """Yield what is new, as it happens, until `stop` is set. Reading runs in a thread; no empty batches.

        Files that are written in place are read once they are quiet (see `quiet`), or after 2 s. A file that was
        renamed into its place is read at once, unless another one is waited for.
        """
        while not stop.is_set():
            roots = _present(self._paths)
            async with aclosing(_events(list(roots), stop)) as events:
                async for touched in events:
                    batch = await self._when_quiet(touched, stop)
                    if batch:
                        yield batch
                    if _present(self._paths) != roots:  # watches follow inodes, not names: watch anew
                        break

    async def _when_quiet(self, touched: Collection[str], stop: asyncio.Event) -> Batch:
        give_up = time.monotonic() + _LONGEST_WAIT_S
        while not stop.is_set():
            patience = give_up - time.monotonic()
            found = await asyncio.to_thread(self._look, touched, patient=patience > 0)
            if isinstance(found, Batch):
                return found
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(found + _SHORTEST_PAUSE_S, max(patience, 0)))
        return Batch()

    def _look(self, touched: Collection[str], *, patient: bool) -> Batch | float:
        """Return what is new; or, when patient, the seconds to wait before files that are being written are whole."""
        listing = Listing(self._paths)
        wait = until_quiet(listing.files, self._read_as, touched, time.time()) if patient else 0.0
        return wait or self._scan(listing, touched, patient=patient)

    def _gone(self, listing: Listing) -> Iterator[tuple[str, None]]:
        for path in self._world.files:
            if listing.lacks(path):
                self._read_as.pop(path, None)
                yield path, None

    def _unlisted(self, listing: Listing) -> Iterator[tuple[str, Holding]]:
        given = {str(path) for path in self._paths}
        for path, error in listing.unlisted.items():
            below = sum(is_below(served.owner[0], path) for served in self._world.serving.values())
            silent = not isinstance(error, TooDeepError) and not path.endswith(SUFFIXES)
            if silent and path not in given and not below:
                continue
            self._read_as.pop(path, None)
            still = f"; serving the {below} objects last read from it" if below else ""
            problem = Problem(f"cannot be read: {error.strerror or error}{still}")
            deleted = path in given and isinstance(error, FileNotFoundError) and not Path(path).is_symlink()
            yield path, hold(NOTHING if deleted else self._world.held(path), Reading(problem=problem))

    def _read(
        self, listing: Listing, touched: Collection[str], *, patient: bool
    ) -> Iterator[tuple[str, Holding | None]]:
        for path, mark in listing.files.items():
            if self._read_as.get(path) == mark and absolute(path) not in touched:
                continue
            self._read_as.pop(path, None)
            try:
                reading = self._reader.read(path)
            except FileNotFoundError:
                yield path, None
                continue
            if patient and reading.fingerprint not in {mark, None}:
                continue  # somebody began to write it since it was listed: left for the next look
            if reading.fingerprint:
                self._read_as[path] = reading.fingerprint
            yield path, hold(self._world.held(path), reading)

    def _say(self, concerned: Collection[str]) -> dict[str, tuple[Finding, ...]]:
        """Return the findings of those files that have others than before."""
        now = {path: remarks(self._world, path) for path in sorted(concerned)}
        news = {path: said for path, said in now.items() if said != self._said.get(path, ())}
        self._said.update(news)
        return news


def _present(paths: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """Return those of the given paths that exist, each with its identity on the disk."""
    found = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found[str(path)] = (status.st_dev, status.st_ino)
    return found


async def _events(roots: Sequence[str], stop: asyncio.Event) -> AsyncGenerator[frozenset[str], None]:
    """Yield the paths that changed; none of them when it is just time to look again. Ends when watching fails."""
    try:
        if roots:
            async for events in watchfiles.awatch(
                *roots,
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                stop_event=stop,
                rust_timeout=int(_LOOK_AGAIN_S * 1000),
                yield_on_timeout=True,
            ):
                yield frozenset(path for _, path in events)
            return
    except (OSError, RuntimeError):  # no such path any more, or no watches left: fall back to looking
        pass
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _LOOK_AGAIN_S)
    yield frozenset()
