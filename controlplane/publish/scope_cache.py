"""One scope's resources: the last good set, brought up to a view by rebuilding only what may have changed."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mirrorplane.api.proxy import Scope
from mirrorplane.api.resource import Resource, ResourceSet
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.translators.contract import Output

log = logging.getLogger(__name__)
Offer = Callable[[ResourceSet], None]
DirtyKey = tuple[Any, Any]
Dirty = Mapping[DirtyKey, set[str]]
"""What may have changed: the names of resources by (build function, key); lists of names by (names function, scope)."""

_EMPTY = ResourceSet(0, {}, {}, 0)
_NO_NAMES: frozenset[str] = frozenset()


def dirty_names(touched: Iterable[Call], checkpoint: Callable[[], None]) -> Dirty:
    """Return what touched calls make dirty. They have the form (build, key, name) or (names, scope)."""
    dirty: dict[tuple[Any, Any], set[str]] = {}
    for call in touched:
        dirty.setdefault(call[:2], set()).update(call[2:])
        checkpoint()
    return dirty


class ScopeCache:
    """One scope's resources and the streams they are offered to.

    A build that raises is our bug: the last good resource stays, and the build is tried again at the next publish.
    `accepted`: a proxy has accepted resources of the scope. `keys` are those of a Dirty that concern it.
    `generations` yields numbers that are unique over all caches, because a proxy may move from one cache to another.
    """

    def __init__(self, engine: Engine, outputs: Iterable[Output], scope: Scope, generations: Iterator[int]) -> None:
        self.scope = scope
        self.offers: set[Offer] = set()
        self.latest = _EMPTY
        self.ready = False
        self.accepted = False
        self._postponed: dict[tuple[Any, Any], set[str]] = {}
        self._engine, self._generations = engine, generations
        self._outputs = [_OutputCache(engine, output, scope) for output in outputs if output.serves(scope)]
        self.keys = frozenset(key for cache in self._outputs for key in cache.keys)

    @property
    def failed(self) -> dict[tuple[str, str], str]:
        """Builds that raised and have not succeeded since, by type and name ("" for the list of names)."""
        return {(cache.type_url, name): error for cache in self._outputs for name, error in cache.failed.items()}

    @property
    def incomplete(self) -> bool:
        """Whether the next refresh has something to do even if nothing changes until then."""
        return not self.ready or any(cache.failed for cache in self._outputs)

    def refresh(self, view: View, dirty: Dirty) -> bool:
        """Bring the set up to date; returns whether anything changed."""
        if self._postponed:
            self.postpone(dirty)
            dirty, self._postponed = self._postponed, {}
        if not self.is_behind(dirty):
            return False
        updates: dict[str, dict[str, Resource | None]] = {}
        for cache in self._outputs:
            changes = cache.changes(view, dirty, self.latest.of_type(cache.type_url))
            if changes:  # several outputs may serve one type
                updates.setdefault(cache.type_url, {}).update(changes)
        initial, self.ready = not self.ready, True
        if not initial and not updates:
            return False
        changed = {type_url: frozenset(changes) for type_url, changes in updates.items()}
        merged = {type_url: _updated(self.latest.of_type(type_url), changes) for type_url, changes in updates.items()}
        resources = {**self.latest.resources, **merged}
        self.latest = ResourceSet(next(self._generations), resources, changed, self.latest.generation)
        return True

    def postpone(self, dirty: Dirty) -> None:
        """Remember what may have changed of this scope, for the next refresh."""
        for key in self.keys.intersection(dirty):
            self._postponed.setdefault(key, set()).update(dirty[key])

    def is_behind(self, dirty: Dirty) -> bool:
        """Whether a refresh has something to do."""
        return self.incomplete or any(key in dirty for key in self.keys)

    def offer_all(self) -> None:
        """Offer the set to every stream of the scope. An exception in one does not affect the others."""
        for offer in list(self.offers):
            self._engine.checkpoint()
            if offer not in self.offers:
                continue  # it left while this paused
            try:
                offer(self.latest)
            except Exception:
                log.exception("a stream of %s failed to take its new resources", self.scope)

    def close(self) -> None:
        """Release every call that this cache holds in the engine."""
        for cache in self._outputs:
            cache.close()


class _OutputCache:
    """What one Output builds for a scope: `failed` are builds that raised, by name ("" for the list of names)."""

    def __init__(self, engine: Engine, output: Output, scope: Scope) -> None:
        self.type_url = output.type_url
        self.failed: dict[str, str] = {}
        self._engine, self._output, self._scope = engine, output, scope
        self._names_call: Call = (output.names, scope)
        self._build_prefix: Call = (output.build, output.cache_key(scope))
        self._groups: tuple[tuple[str, ...], ...] = ()
        self._names: set[str] | None = None

    @property
    def keys(self) -> tuple[DirtyKey, DirtyKey]:
        """What is dirty when the list of names, or a resource, may have changed."""
        return self._names_call, self._build_prefix

    def changes(self, view: View, dirty: Dirty, before: Mapping[str, Resource]) -> dict[str, Resource | None]:
        """Return the resources that differ from those before, None for those removed."""
        added, removed = self._list_names(view, dirty)
        rebuild = dirty.get(self._build_prefix, _NO_NAMES) & (self._names or _NO_NAMES)
        # Without "", which stands for the list of names.
        rebuild |= {name for name in self.failed if name}
        changes: dict[str, Resource | None] = {name: None for name in removed if name in before}
        for name in sorted(rebuild | added):
            last_good = before.get(name)
            resource = self._build(view, name, last_good)
            if resource is not last_good:
                changes[name] = resource
        return changes

    def close(self) -> None:
        """Release everything that is held."""
        if self._names is not None:
            self._engine.release([self._names_call])
            self._engine.release(self._build_calls(self._names))
            self._names = None

    def _list_names(self, view: View, dirty: Dirty) -> tuple[set[str], set[str]]:
        """List the names of resources unless they cannot have changed; returns the names added and removed."""
        if self._names is None:
            self._engine.hold([self._names_call])
            self._names = set()
        elif self._names_call not in dirty and "" not in self.failed:
            return set(), set()
        try:
            groups = view.memo(self._output.names, self._scope)
        except Exception as error:
            self._fail("", error)
            return set(), set()
        self.failed.pop("", None)
        added, removed = _difference(self._groups, groups)
        self._groups = groups
        self._names |= added
        self._names -= removed
        self._engine.hold(self._build_calls(added))
        self._engine.release(self._build_calls(removed))
        for name in removed:
            self.failed.pop(name, None)
        return added, removed

    def _build(self, view: View, name: str, last_good: Resource | None) -> Resource | None:
        try:
            resource: Resource | None = view.memo(self._output.build, self._build_prefix[1], name)
        except Exception as error:
            self._fail(name, error)
            return last_good
        self.failed.pop(name, None)
        return resource

    def _fail(self, name: str, error: Exception) -> None:
        if name not in self.failed:
            log.exception("building %s %s for %s failed; serving the last good one", self.type_url, name, self._scope)
        self.failed[name] = f"{type(error).__name__}: {error}"

    def _build_calls(self, names: Iterable[str]) -> Iterator[Call]:
        return ((*self._build_prefix, name) for name in names)


def _difference(before: tuple[tuple[str, ...], ...], after: tuple[tuple[str, ...], ...]) -> tuple[set[str], set[str]]:
    """Return the names added and removed. Groups that are the same tuple are skipped: most are, in a large mesh."""
    if before is after:
        return set(), set()
    unchanged = {id(group) for group in before} & {id(group) for group in after}
    old = {name for group in before if id(group) not in unchanged for name in group}
    new = {name for group in after if id(group) not in unchanged for name in group}
    return new - old, old - new


def _updated(before: Mapping[str, Resource], changes: Mapping[str, Resource | None]) -> dict[str, Resource]:
    merged = dict(before)
    for name, resource in changes.items():
        if resource is None:
            merged.pop(name, None)
        else:
            merged[name] = resource
    return merged
