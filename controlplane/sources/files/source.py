"""Manifests from files and folders: owns when each file was read, and the watching.

This does the I/O (disk, thread, events); the rules are in last_good, ownership and file_findings.
See decision 0020.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.manifests.decode import Accept, Registry, accept_all
from mirrorplane.controlplane.manifests.documents import require_libyaml
from mirrorplane.controlplane.manifests.drafts import Draft
from mirrorplane.controlplane.sources.changes import Batch
from mirrorplane.controlplane.sources.files.file_findings import file_findings
from mirrorplane.controlplane.sources.files.last_good import NO_STATE, FileState, next_state
from mirrorplane.controlplane.sources.files.listing import (
    SUFFIXES,
    Fingerprint,
    Listing,
    TooDeepError,
    absolute,
    is_below,
)
from mirrorplane.controlplane.sources.files.ownership import FileIndex, apply_updates
from mirrorplane.controlplane.sources.files.reading import FileProblem, Reader, Reading
from mirrorplane.controlplane.sources.files.settle import until_quiet
from mirrorplane.controlplane.sources.source import Location

MANIFEST_NAMES: Final = "a file in a folder must end in .yaml, .yml or .json"
"""What to tell a user whose folder seems to be empty."""

# watchfiles gathers events while another one comes within `step`, but for no longer than `debounce`.
_STEP_MS: Final = 20
_DEBOUNCE_MS: Final = 200
_RESCAN_S: Final = 1.0
"""Events can be lost (network disks, full queues, a folder that was recreated), so we also scan without one."""
_LONGEST_WAIT_S: Final = 2.0
_SHORTEST_PAUSE_S: Final = 0.01


class FileSource:
    """The objects of manifest files: `*.yaml`, `*.yml`, `*.json` below the given folders, and single files.

    `load` once, then `watch`. A bad edit never removes what serves (see last_good). The source waits for a file that
    is being written (see `watch`). Two files may define one Ref (see ownership). A given folder that vanishes as a
    whole is taken for an accident: its objects keep serving until it is back. Deleting a file deletes its objects.
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
        self._read_as: dict[str, Fingerprint] = {}
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

        Blocks, and does not wait: a file that is being written is read as it is.
        """
        return self._scan(Listing(self._paths), touched)

    def _scan(self, listing: Listing, touched: Collection[str], *, patient: bool = False) -> Batch:
        reads = self._read(listing, touched, patient=patient)
        updates = dict(self._deleted(listing)) | dict(self._unlisted(listing)) | dict(reads) | dict(self._read_inline())
        if not updates:
            return Batch()
        transition = apply_updates(self._index, updates)
        self._index = transition.index
        return Batch(transition.changes, self._new_findings(transition.concerned))

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
            roots = _existing(self._paths)
            async with aclosing(_events(list(roots), stop)) as events:
                async for touched in events:
                    batch = await self._scan_when_quiet(touched, stop)
                    if batch:
                        yield batch
                    if _existing(self._paths) != roots:  # watches follow inodes, not names: watch the new ones
                        break

    async def _scan_when_quiet(self, touched: Collection[str], stop: asyncio.Event) -> Batch:
        give_up = time.monotonic() + _LONGEST_WAIT_S
        while not stop.is_set():
            patience = give_up - time.monotonic()
            result = await asyncio.to_thread(self._try_scan, touched, patient=patience > 0)
            if isinstance(result, Batch):
                return result
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(result + _SHORTEST_PAUSE_S, max(patience, 0)))
        return Batch()

    def _try_scan(self, touched: Collection[str], *, patient: bool) -> Batch | float:
        """Return what changed; or, when patient, the seconds to wait until files that are being written are quiet."""
        listing = Listing(self._paths)
        wait = until_quiet(listing.files, self._read_as, touched, time.time()) if patient else 0.0
        return wait or self._scan(listing, touched, patient=patient)

    def _deleted(self, listing: Listing) -> Iterator[tuple[str, None]]:
        for path in self._index.files:
            if listing.lacks(path) and path not in self._inline:
                self._read_as.pop(path, None)
                yield path, None

    def _unlisted(self, listing: Listing) -> Iterator[tuple[str, FileState]]:
        given = {str(path) for path in self._paths}
        for path, error in listing.unlisted.items():
            below = sum(is_below(served.owner[0], path) for served in self._index.serving.values())
            irrelevant = not isinstance(error, TooDeepError) and not path.endswith(SUFFIXES)
            if irrelevant and path not in given and not below:
                continue
            self._read_as.pop(path, None)
            still = f"; still serving the {below} objects last read from it" if below else ""
            problem = FileProblem(f"cannot be read: {error.strerror or error}{still}")
            deleted = path in given and isinstance(error, FileNotFoundError) and not Path(path).is_symlink()
            yield path, next_state(NO_STATE if deleted else self._index.state(path), Reading(problem=problem))

    def _read(
        self, listing: Listing, touched: Collection[str], *, patient: bool
    ) -> Iterator[tuple[str, FileState | None]]:
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
                continue  # a write began after the listing: left for the next scan, which waits for it
            if reading.fingerprint:
                self._read_as[path] = reading.fingerprint
            yield path, next_state(self._index.state(path), reading)

    def _read_inline(self) -> Iterator[tuple[str, FileState]]:
        for name, body in self._inline.items():
            if name not in self._index.files:
                yield name, next_state(NO_STATE, self._reader.parse(name, body))

    def _new_findings(self, concerned: Collection[str]) -> dict[str, tuple[Finding, ...]]:
        """Return the findings of those files whose findings differ from the last ones."""
        current = {path: file_findings(self._index, path) for path in sorted(concerned)}
        updates = {path: findings for path, findings in current.items() if findings != self._findings.get(path, ())}
        self._findings.update(updates)
        return updates


def _existing(paths: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """Return those of the given paths that exist, each with its identity on the disk."""
    identities = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        identities[str(path)] = (status.st_dev, status.st_ino)
    return identities


async def _events(roots: Sequence[str], stop: asyncio.Event) -> AsyncGenerator[frozenset[str], None]:
    """Yield the paths that changed; an empty set when it is only time for a rescan. Ends when watching fails."""
    import watchfiles  # not above: commands that read manifests once watch nothing, and need not wait for its import

    try:
        if roots:
            async for events in watchfiles.awatch(
                *roots,
                # The listing decides what counts: watchfiles' own filter skips folders by name (node_modules, .venv).
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                stop_event=stop,
                rust_timeout=int(_RESCAN_S * 1000),
                yield_on_timeout=True,
            ):
                yield frozenset(path for _, path in events)
            return
    except (OSError, RuntimeError):  # the path vanished, or the system has no watches left: fall back to rescans
        pass
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _RESCAN_S)
    yield frozenset()
