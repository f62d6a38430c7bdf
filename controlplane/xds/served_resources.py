"""What one stream may serve: the newest ResourceSet, and what vanished from it but may still be in use.

Separate because removal has its own rule (break after make): a cluster that vanished is served on until the proxy has
left the routes that named it. The rest of the protocol sees only the changes that result.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf

import msgspec

from mirrorplane.api.resource import RELEASE_ORDER, Resource, ResourceSet, resource_type
from mirrorplane.controlplane.xds.versions import shift

USERS = {type_url: users for type_url in RELEASE_ORDER if (users := resource_type(type_url).users)}
"""Which types may name a resource of a type, in release order. Nothing names a listener: it is removed at once."""


class Change(msgspec.Struct, frozen=True):
    """A resource whose served version changed. An empty version means that it is not served; `was` had `before`.

    `shift` is by how much that moves the version of a type, where both versions are there.
    """

    type_url: str
    name: str
    before: str
    after: str
    was: Resource | None = None
    shift: int | None = None


class _Kept(msgspec.Struct, frozen=True):
    """A vanished resource. Without `resource` only the proxy knows its content. `due` is when it goes."""

    version: str
    resource: Resource | None = None
    due: float = inf


Changes = Mapping[str, Sequence[Change]]


class SnapshotDiff:
    """What changes from one set to the next: worked out once for all streams that make this step.

    `checkpoint` is called between changes, of which there may be thousands.
    """

    def __init__(self, checkpoint: Callable[[], None] = lambda: None) -> None:
        self._breathe = checkpoint
        self._made: tuple[ResourceSet, ResourceSet, Changes] | None = None

    def between(self, old: ResourceSet, new: ResourceSet) -> "Changes":
        """Return the changes by type, in no meaningful order."""
        if self._made is None or self._made[0] is not old or self._made[1] is not new:
            differing = _differing(old, new).items()
            changes = {type_url: list(self._of_type(type_url, names, old, new)) for type_url, names in differing}
            self._made = old, new, changes
        return self._made[2]

    def _of_type(self, type_url: str, names: Iterable[str], old: ResourceSet, new: ResourceSet) -> Iterator[Change]:
        before, after = old.of(type_url), new.of(type_url)
        for name in names:
            self._breathe()
            was, now = before.get(name), after.get(name)
            change = _change(type_url, name, was.version if was else "", now.version if now else "", was)
            if change:
                yield change


class ServedResources:
    """The served resources of one stream. `grace` is how many seconds a vanished resource outlives its last user."""

    def __init__(self, resources: ResourceSet, grace: float = 0.0, moves: SnapshotDiff | None = None) -> None:
        self._set = resources
        self._grace = grace
        self._moves = moves or SnapshotDiff()
        self._kept: dict[str, dict[str, _Kept]] = {type_url: {} for type_url in USERS}

    def get(self, type_url: str, name: str) -> Resource | None:
        """Return a served resource with its bytes."""
        resource = self._set.of(type_url).get(name)
        return resource or self._kept_of(type_url).get(name, _NOTHING).resource

    def version(self, type_url: str, name: str) -> str:
        """Return the version served under a name, or "" when nothing is."""
        resource = self._set.of(type_url).get(name)
        return resource.version if resource else self._kept_of(type_url).get(name, _NOTHING).version

    def all(self, type_url: str) -> Iterator[Resource]:
        """Yield every served resource of a type, in no meaningful order."""
        yield from self._set.of(type_url).values()
        yield from (kept.resource for kept in self._kept_of(type_url).values() if kept.resource)

    def names(self, type_url: str) -> set[str]:
        """Return the names of all that is served of a type."""
        return {*self._set.of(type_url), *self._kept_of(type_url)}

    def replace(self, new: ResourceSet) -> Changes:
        """Serve a newer set. Return what changed by that, by type; what vanished is kept and no change yet."""
        changes = self._moves.between(self._set, new)  # may pause: until it is done, the old set is served
        self._set = new
        return {type_url: self._all_seen(type_url, of_type) for type_url, of_type in changes.items()}

    def adopt(self, type_url: str, name: str, version: str) -> bool:
        """Keep what only the proxy still holds, from an earlier stream. Return whether this type is ever kept."""
        if type_url not in self._kept:
            return False
        self._kept[type_url][name] = _Kept(version)
        return True

    @property
    def generation(self) -> int:
        """The generation of the set that is served."""
        return self._set.generation

    @property
    def keeping(self) -> bool:
        """Whether anything that vanished is still served."""
        return any(self._kept.values())

    def keeps(self, type_url: str) -> bool:
        """Say whether vanished resources of a type are still served."""
        return bool(self._kept_of(type_url))

    def release(self, type_url: str, now: float) -> list[Change]:
        """Let vanished resources of a type go, once their grace is over. Call when nothing uses them any more."""
        kept = {
            name: msgspec.structs.replace(entry, due=min(entry.due, now + self._grace))
            for name, entry in self._kept[type_url].items()
        }
        self._kept[type_url] = {name: entry for name, entry in kept.items() if entry.due > now}
        gone = [(name, entry) for name, entry in kept.items() if entry.due <= now]
        return [Change(type_url, name, entry.version, "", entry.resource) for name, entry in gone]

    def due(self) -> Iterator[float]:
        """Yield the moments at which `release` will let something go, as far as they are known."""
        return (entry.due for kept in self._kept.values() for entry in kept.values() if entry.due < inf)

    def _all_seen(self, type_url: str, changes: Sequence[Change]) -> Sequence[Change]:
        if not self.keeps(type_url) and all(change.after for change in changes):
            return changes
        return [seen for change in changes if (seen := self._seen(change))]

    def _seen(self, change: Change) -> Change | None:
        """Return what a proxy will see of a change of the set: what vanishes is kept, and may come back."""
        if change.was is not None and not change.after and change.type_url in self._kept:
            self._kept[change.type_url][change.name] = _Kept(change.before, change.was)
            return None
        kept = self._kept_of(change.type_url).pop(change.name, _NOTHING) if change.after else _NOTHING
        if change.before or not kept.version:
            return change
        return _change(change.type_url, change.name, kept.version, change.after, kept.resource)

    def _kept_of(self, type_url: str) -> dict[str, _Kept]:
        return self._kept.get(type_url, {})


_NOTHING = _Kept("")


def _differing(old: ResourceSet, new: ResourceSet) -> Mapping[str, frozenset[str]]:
    """Return the names that differ, by type: what the newer set says of itself, or a comparison after a gap."""
    if new is old:
        return {}
    if new.after == old.generation:
        return new.changed
    return {type_url: _compare(old.of(type_url), new.of(type_url)) for type_url in {*old.resources, *new.resources}}


def _change(type_url: str, name: str, before: str, after: str, was: Resource | None) -> Change | None:
    if before == after:
        return None
    return Change(type_url, name, before, after, was, shift(name, before, after) if before and after else None)


def _compare(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> frozenset[str]:
    differs = (name for name, resource in new.items() if name not in old or old[name].version != resource.version)
    return frozenset(old.keys() - new.keys()) | frozenset(differs)
