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


class ResourceChange(msgspec.Struct, frozen=True):
    """A resource whose served version changed. An empty version means not served; `was` is the resource before.

    `shift` is by how much the change moves the version of the type, if the resource exists before and after.
    """

    type_url: str
    name: str
    before: str
    after: str
    was: Resource | None = None
    shift: int | None = None


class _Retained(msgspec.Struct, frozen=True):
    """A vanished resource. Without `resource`, only the proxy knows its content. `due` is when it is removed."""

    version: str
    resource: Resource | None = None
    due: float = inf


Changes = Mapping[str, Sequence[ResourceChange]]


class SnapshotDiff:
    """The changes from one set to the next, worked out once for all streams that make this step.

    `checkpoint` is called between changes, of which there may be thousands.
    """

    def __init__(self, checkpoint: Callable[[], None] = lambda: None) -> None:
        self._checkpoint = checkpoint
        self._latest: tuple[ResourceSet, ResourceSet, Changes] | None = None

    def between(self, old: ResourceSet, new: ResourceSet) -> "Changes":
        """Return the changes by type, in no meaningful order."""
        if self._latest is None or self._latest[0] is not old or self._latest[1] is not new:
            changed_names = _changed_names(old, new).items()
            changes = {type_url: list(self._of_type(type_url, names, old, new)) for type_url, names in changed_names}
            self._latest = old, new, changes
        return self._latest[2]

    def _of_type(
        self, type_url: str, names: Iterable[str], old: ResourceSet, new: ResourceSet
    ) -> Iterator[ResourceChange]:
        before, after = old.of_type(type_url), new.of_type(type_url)
        for name in names:
            self._checkpoint()
            was, now = before.get(name), after.get(name)
            change = _change(type_url, name, was.version if was else "", now.version if now else "", was)
            if change:
                yield change


class ServedResources:
    """The served resources of one stream. `grace`: seconds for which a vanished resource outlives its last user."""

    def __init__(self, resources: ResourceSet, grace: float = 0.0, diff: SnapshotDiff | None = None) -> None:
        self._set = resources
        self._grace = grace
        self._diff = diff or SnapshotDiff()
        self._retained: dict[str, dict[str, _Retained]] = {type_url: {} for type_url in USERS}

    def get(self, type_url: str, name: str) -> Resource | None:
        """Return a served resource with its bytes."""
        resource = self._set.of_type(type_url).get(name)
        return resource or self._retained_of(type_url).get(name, _NOTHING).resource

    def version(self, type_url: str, name: str) -> str:
        """Return the version served under a name, or "" when nothing is."""
        resource = self._set.of_type(type_url).get(name)
        return resource.version if resource else self._retained_of(type_url).get(name, _NOTHING).version

    def resources(self, type_url: str) -> Iterator[Resource]:
        """Yield every served resource of a type, in no meaningful order."""
        yield from self._set.of_type(type_url).values()
        yield from (entry.resource for entry in self._retained_of(type_url).values() if entry.resource)

    def names(self, type_url: str) -> set[str]:
        """Return the names of everything served of a type."""
        return {*self._set.of_type(type_url), *self._retained_of(type_url)}

    def replace(self, new: ResourceSet) -> Changes:
        """Serve a newer set. Return the changes by type; a vanished resource is retained, and no change yet."""
        changes = self._diff.between(self._set, new)  # may pause: until it is done, the old set is served
        self._set = new
        return {type_url: self._visible_changes(type_url, of_type) for type_url, of_type in changes.items()}

    def adopt_unknown(self, type_url: str, name: str, version: str) -> bool:
        """Retain what only the proxy still holds, from an earlier stream. Return whether the type is ever retained."""
        if type_url not in self._retained:
            return False
        self._retained[type_url][name] = _Retained(version)
        return True

    @property
    def generation(self) -> int:
        """The generation of the set that is served."""
        return self._set.generation

    @property
    def retains_any(self) -> bool:
        """Whether any vanished resource is still served."""
        return any(self._retained.values())

    def retains(self, type_url: str) -> bool:
        """Tell whether vanished resources of a type are still served."""
        return bool(self._retained_of(type_url))

    def release(self, type_url: str, now: float) -> list[ResourceChange]:
        """Remove vanished resources of a type whose grace is over. Call when nothing uses them any more."""
        # The grace begins here, with the first call that finds the type unused, and not when a resource vanished.
        entries = {
            name: msgspec.structs.replace(entry, due=min(entry.due, now + self._grace))
            for name, entry in self._retained[type_url].items()
        }
        self._retained[type_url] = {name: entry for name, entry in entries.items() if entry.due > now}
        released = [(name, entry) for name, entry in entries.items() if entry.due <= now]
        return [ResourceChange(type_url, name, entry.version, "", entry.resource) for name, entry in released]

    def release_times(self) -> Iterator[float]:
        """Yield the moments at which `release` will remove something, as far as they are known."""
        return (entry.due for entries in self._retained.values() for entry in entries.values() if entry.due < inf)

    def _visible_changes(self, type_url: str, changes: Sequence[ResourceChange]) -> Sequence[ResourceChange]:
        # All streams share the sequence as it is unless something vanished or comes back.
        if not self.retains(type_url) and all(change.after for change in changes):
            return changes
        return [visible for change in changes if (visible := self._visible_change(change))]

    def _visible_change(self, change: ResourceChange) -> ResourceChange | None:
        """Return what a proxy sees of a change of the set: what vanishes is retained, and may come back."""
        if change.was is not None and not change.after and change.type_url in self._retained:
            self._retained[change.type_url][change.name] = _Retained(change.before, change.was)
            return None
        entry = self._retained_of(change.type_url).pop(change.name, _NOTHING) if change.after else _NOTHING
        if change.before or not entry.version:
            return change
        return _change(change.type_url, change.name, entry.version, change.after, entry.resource)

    def _retained_of(self, type_url: str) -> dict[str, _Retained]:
        return self._retained.get(type_url, {})


_NOTHING = _Retained("")


def _changed_names(old: ResourceSet, new: ResourceSet) -> Mapping[str, frozenset[str]]:
    """Return the names that differ, by type: what the newer set states, or a comparison if it follows another set."""
    if new is old:
        return {}
    if new.after == old.generation:
        return new.changed
    return {
        type_url: _compare(old.of_type(type_url), new.of_type(type_url))
        for type_url in {*old.resources, *new.resources}
    }


def _change(type_url: str, name: str, before: str, after: str, was: Resource | None) -> ResourceChange | None:
    if before == after:
        return None
    return ResourceChange(type_url, name, before, after, was, shift(name, before, after) if before and after else None)


def _compare(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> frozenset[str]:
    differs = (name for name, resource in new.items() if name not in old or old[name].version != resource.version)
    return frozenset(old.keys() - new.keys()) | frozenset(differs)
