"""What one stream may serve: the newest ResourceSet, and what vanished from it but may still be in use.

Separate because removal has its own rule (break after make): a cluster that vanished is served on until the proxy has
left the routes that named it. The rest of the protocol sees only the changes that result.
"""

from collections.abc import Iterator, Mapping
from math import inf

import msgspec

from api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, Resource, ResourceSet

USERS = {
    ROUTE: (LISTENER,),
    CLUSTER: (LISTENER, ROUTE),
    ENDPOINT: (CLUSTER,),
    SECRET: (LISTENER, CLUSTER),
}
"""Which types may name a resource of a type. In release order: a type comes after its users."""


class Change(msgspec.Struct, frozen=True):
    """A resource whose served version changed. An empty version means that it is not served; `was` had `before`."""

    type_url: str
    name: str
    before: str
    after: str
    was: Resource | None = None


class _Kept(msgspec.Struct, frozen=True):
    """A vanished resource. Without `resource` only the proxy knows its content. `due` is when it goes."""

    version: str
    resource: Resource | None = None
    due: float = inf


class Shelf:
    """The served resources of one stream. `grace` is how many seconds a vanished resource outlives its last user."""

    def __init__(self, resources: ResourceSet, grace: float = 0.0) -> None:
        self._set = resources
        self._grace = grace
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

    def replace(self, new: ResourceSet) -> list[Change]:
        """Serve a newer set. Return what changed by that; what vanished is kept and no change yet."""
        old, self._set = self._set, new
        moves = (
            self._move(type_url, name, old.of(type_url).get(name), new.of(type_url).get(name))
            for type_url, names in _differing(old, new).items()
            for name in names
        )
        return [change for change in moves if change]

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

    def _move(self, type_url: str, name: str, before: Resource | None, after: Resource | None) -> Change | None:
        """Go from one set's resource to the next set's; return the change a proxy will see."""
        if after is None and before is not None and type_url in self._kept:
            self._kept[type_url][name] = _Kept(before.version, before)
            return None
        kept = self._kept_of(type_url).pop(name, _NOTHING) if after else _NOTHING
        was = before or kept.resource
        change = Change(type_url, name, was.version if was else kept.version, after.version if after else "", was)
        return change if change.before != change.after else None

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


def _compare(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> frozenset[str]:
    differs = (name for name, resource in new.items() if name not in old or old[name].version != resource.version)
    return frozenset(old.keys() - new.keys()) | frozenset(differs)
