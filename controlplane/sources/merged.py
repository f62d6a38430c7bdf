"""Several sources as one: owns which source serves a Ref that more than one of them holds.

The order of the sources is their precedence: the first that holds a Ref serves it. Ownership is kept for each
(source, Ref), so removing an object in one source leaves another source's object of that Ref alone. See decision 0122.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.sources.changes import Batch, Change
from mirrorplane.controlplane.sources.source import Location, Source

SHADOWED: Final = "Shadowed"
"""The reason of the Finding about an object that hides the objects of the same Ref in later sources."""


class Sources:
    """A Source made of sources, in order of precedence."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)
        names = [source.name for source in self._sources]
        if len(set(names)) < len(names):
            raise ValueError(f"two sources have the same name: {', '.join(names)}")
        self._ownership = Ownership(names)

    @property
    def name(self) -> str:
        """See Source.name."""
        return ", ".join(source.name for source in self._sources)

    async def load(self) -> Batch:
        """See Source.load. The sources load at the same time."""
        batches = await asyncio.gather(*(source.load() for source in self._sources))
        return self._ownership.merge(enumerate(batches))

    async def watch(self, stop: asyncio.Event) -> AsyncIterator[Batch]:
        """See Source.watch. Ends when all sources have ended, or with the error of the first that fails."""
        queue: asyncio.Queue[tuple[int, Batch | BaseException | None]] = asyncio.Queue()
        readers = [
            asyncio.create_task(_read(source, number, queue, stop), name=f"watching {source.name}")
            for number, source in enumerate(self._sources)
        ]
        watching = len(readers)
        try:
            while watching:
                number, item = await queue.get()
                if isinstance(item, BaseException):
                    raise item
                if item is None:
                    watching -= 1
                    continue
                synced = self._ownership.synced
                batch = self._ownership.merge([(number, item)])
                if batch or batch.synced != synced:
                    yield batch
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    def reread(self) -> None:
        """See Source.reread."""
        for source in self._sources:
            source.reread()

    def locate(self, ref: Ref, path: str) -> Location | None:
        """See Source.locate. Asks the source that serves the Ref."""
        owner = self._ownership.owner(ref)
        return None if owner is None else self._sources[owner].locate(ref, path)


async def _read(
    source: Source, number: int, queue: "asyncio.Queue[tuple[int, Batch | BaseException | None]]", stop: asyncio.Event
) -> None:
    """Put every batch of a source into the queue, then its error, or None for a regular end."""
    try:
        async for batch in source.watch(stop):
            queue.put_nowait((number, batch))
    except Exception as error:
        queue.put_nowait((number, error))
    else:
        queue.put_nowait((number, None))


Claims = tuple[tuple[int, AnyObject], ...]
"""The objects that sources hold of one Ref, each with the number of its source, in order of precedence."""


class Ownership:
    """The objects of each source by Ref. Costs one dictionary entry for each object, and time for each Change only."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._objects: list[dict[Ref, AnyObject]] = [{} for _ in names]
        self._unsynced = set(range(len(names)))

    @property
    def synced(self) -> bool:
        """Whether every source is synced."""
        return not self._unsynced

    def owner(self, ref: Ref) -> int | None:
        """Return the number of the source that serves a Ref."""
        return next((number for number, objects in enumerate(self._objects) if ref in objects), None)

    def merge(self, batches: Iterable[tuple[int, Batch]]) -> Batch:
        """Take in batches, each with the number of its source, and return what they change of what is served.

        The origin of a finding is prefixed with the name of its source: two sources may read one file.
        """
        before: dict[Ref, Claims] = {}
        findings: dict[str, tuple[Finding, ...]] = {}
        for number, batch in batches:
            objects = self._objects[number]
            self._unsynced -= {number} if batch.synced else set()
            for change in batch.changes:
                before.setdefault(change.ref, self._claims(change.ref))
                if change.obj is None:
                    objects.pop(change.ref, None)
                else:
                    objects[change.ref] = change.obj
            findings.update((f"{self._names[number]}: {origin}", group) for origin, group in batch.findings.items())
        changes = []
        for ref in sorted(before):  # one Change for each Ref, however many sources changed it
            old, new = before[ref], self._claims(ref)
            served = new[0][1] if new else None
            if served != (old[0][1] if old else None):
                changes.append(Change(ref, served))
            if (len(old) > 1 or len(new) > 1) and _owners(old) != _owners(new):
                findings[f"{SHADOWED}: {ref.kind} {ref.namespace}/{ref.name}"] = self._shadowing(ref, new)
        return Batch(tuple(changes), findings, self.synced)

    def _claims(self, ref: Ref) -> Claims:
        return tuple((number, objects[ref]) for number, objects in enumerate(self._objects) if ref in objects)

    def _shadowing(self, ref: Ref, claims: Claims) -> tuple[Finding, ...]:
        """Return the finding about an object that hides others; it is located where the object that serves is."""
        if len(claims) < 2:  # noqa: PLR2004
            return ()
        winner, *hidden = (self._names[number] for number in _owners(claims))
        message = (
            f"also defined in {' and in '.join(hidden)}, without effect: the definition in {winner} takes precedence"
        )
        fix = "remove one of the definitions unless the override is intended"
        return (Finding(ref, SHADOWED, message, severity=Severity.WARNING, fix=fix),)


def _owners(claims: Claims) -> list[int]:
    return [number for number, _ in claims]
