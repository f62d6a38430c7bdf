"""Who serves each Ref when several files claim it: owns first come, first served, and the generations. Pure.

Separate from what one file holds because this is about all files together. It costs what changed: only the Refs of
files that were read again are looked at.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.sources.changes import Change
from mirrorplane.controlplane.sources.files.last_good import NOTHING, Claim, Holding

Owner = tuple[str, int]
"""A file, and which of its manifests of the Ref."""


class Served(msgspec.Struct, frozen=True, gc=False):
    """The object that serves a Ref, with its generation, and the file it comes from."""

    obj: AnyObject
    owner: Owner


class World(msgspec.Struct, frozen=True):
    """All files and what serves of them. Never edited; `settle` makes the next one."""

    files: Mapping[str, Holding] = {}
    claimants: Mapping[Ref, tuple[Owner, ...]] = {}
    serving: Mapping[Ref, Served] = {}

    def held(self, path: str) -> Holding:
        """Return what a file holds; nothing for one that is not known."""
        return self.files.get(path, NOTHING)

    def claim(self, ref: Ref, owner: Owner) -> Claim:
        """Return what a file claims for a Ref. Raises KeyError when it claims nothing."""
        path, number = owner
        return self.files[path].claims[ref, number]

    def serves(self, path: str, ref: Ref, number: int) -> bool:
        """Whether this manifest of this file is the one that serves."""
        served = self.serving.get(ref)
        return served is not None and served.owner == (path, number)


class Settled(msgspec.Struct, frozen=True):
    """The next world, what serves differently in it, and the files that there may be something new to say of."""

    world: World
    changes: tuple[Change, ...]
    concerned: frozenset[str]


def settle(before: World, news: Mapping[str, Holding | None]) -> Settled:
    """Return the world after some files hold something else (None: they are gone).

    Who serves a Ref already goes on with it while its file claims it; else the first claimant by path, then by order
    in the file.
    """
    files = {path: held for path, held in {**before.files, **news}.items() if held is not None}
    claims = _claims(before, news)
    kept = {ref: owners for ref, owners in claims.items() if owners}
    claimants = {**{ref: owners for ref, owners in before.claimants.items() if ref not in claims}, **kept}
    after = World(files, claimants)
    chosen = {ref: _choose(ref, owners, before, after) for ref, owners in kept.items()}
    others = {ref: served for ref, served in before.serving.items() if ref not in claims}
    after = World(files, claimants, {**others, **chosen})
    owners = (owner for ref in claims for owner in claimants.get(ref, ()))
    return Settled(after, _changes(claims, before, after), frozenset(news) | {path for path, _ in owners})


def _changes(refs: Iterable[Ref], before: World, after: World) -> tuple[Change, ...]:
    changes = []
    for ref in sorted(refs):
        was, now = before.serving.get(ref), after.serving.get(ref)
        if (was and was.obj) != (now and now.obj):
            changes.append(Change(ref, now.obj if now else None))
    return tuple(changes)


def _claims(before: World, news: Mapping[str, Holding | None]) -> dict[Ref, tuple[Owner, ...]]:
    """Return the claimants, in order, of every Ref that a file with news holds or held."""
    claimed: dict[Ref, set[Owner]] = {}
    for ref, owner in _pairs({path: before.files.get(path) for path in news}):
        claimed.setdefault(ref, set(before.claimants[ref])).discard(owner)
    for ref, owner in _pairs(news):
        claimed.setdefault(ref, set(before.claimants.get(ref, ()))).add(owner)
    return {ref: tuple(sorted(owners)) for ref, owners in claimed.items()}


def _pairs(files: Mapping[str, Holding | None]) -> Iterator[tuple[Ref, Owner]]:
    for path, held in files.items():
        for ref, number in (held or NOTHING).claims:
            yield ref, (path, number)


def _choose(ref: Ref, owners: tuple[Owner, ...], before: World, after: World) -> Served:
    was = before.serving.get(ref)
    owner = was.owner if was and was.owner in owners else owners[0]
    obj = after.claim(ref, owner).obj
    numbered = msgspec.structs.replace(obj, generation=_generation(obj, was.obj if was else None))
    return Served(was.obj if was and was.obj == numbered else numbered, owner)


def _generation(obj: AnyObject, was: AnyObject | None) -> int:
    if obj.generation or was is None:
        return obj.generation or 1
    same = (obj.spec, obj.labels, obj.annotations) == (was.spec, was.labels, was.annotations)
    return was.generation if same else was.generation + 1
