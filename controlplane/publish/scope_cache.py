"""One scope's resources: the last good set, brought up to a view by asking only for what may have changed."""

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
NackBisect = Mapping[tuple[Any, Any], set[str]]
"""What may have changed: names of resources by how they are built (function, key), and (names, scope) of lists."""

_NOTHING: ResourceSet = ResourceSet(0, {}, {}, 0)
_NONE: frozenset[str] = frozenset()


def suspects_of(touched: Iterable[Call], checkpoint: Callable[[], None]) -> NackBisect:
    """Return the suspects among touched calls: (build, key, name) and (names, scope)."""
    found: dict[tuple[Any, Any], set[str]] = {}
    for call in touched:
        found.setdefault(call[:2], set()).update(call[2:])
        checkpoint()
    return found


class ScopeCache:
    """One scope's resources and who wants them.

    A build that raises is our bug: the last good resource stays, and the build is tried again at the next publish.
    `generations` are numbers that no other set has: a proxy may move from one board to another.
    """

    def __init__(self, engine: Engine, outputs: Iterable[Output], scope: Scope, generations: Iterator[int]) -> None:
        self.scope = scope
        self.offers: set[Offer] = set()
        self.latest = _NOTHING
        self.ready = False
        self.remarked: set[object] = set()
        self._engine, self._generations = engine, generations
        self._columns = [_Column(engine, output, scope) for output in outputs if output.serves(scope)]

    @property
    def failed(self) -> dict[tuple[str, str], str]:
        """Builds that raised and have not succeeded since, by type and name ("" for the list of names)."""
        return {(column.type_url, name): error for column in self._columns for name, error in column.failed.items()}

    def refresh(self, view: View, suspects: NackBisect) -> bool:
        """Bring the set up to date; returns whether anything changed."""
        if self.ready and not any(column.is_suspect(suspects) for column in self._columns):
            return False
        news: dict[str, dict[str, Resource | None]] = {}
        for column in self._columns:
            changes = column.news(view, suspects, self.latest.of(column.type_url))
            if changes:
                news.setdefault(column.type_url, {}).update(changes)
        first, self.ready = not self.ready, True
        if not first and not news:
            return False
        changed = {type_url: frozenset(changes) for type_url, changes in news.items()}
        resources = {**self.latest.resources, **{t: _with(self.latest.of(t), changes) for t, changes in news.items()}}
        self.latest = ResourceSet(next(self._generations), resources, changed, self.latest.generation)
        return True

    def spread(self) -> None:
        """Offer the set to everyone who wants it. What one of them does wrong is not the others' loss."""
        for offer in list(self.offers):
            self._engine.checkpoint()
            if offer not in self.offers:
                continue  # it left meanwhile
            try:
                offer(self.latest)
            except Exception:
                log.exception("a stream of %s failed to take its new set", self.scope)

    def close(self) -> None:
        """Let the engine forget what only this board asked for."""
        for column in self._columns:
            column.close()


class _Column:
    """What one output makes for a scope: `failed` are builds that raised, by name ("" for the list of names)."""

    def __init__(self, engine: Engine, output: Output, scope: Scope) -> None:
        self.type_url = output.type_url
        self.failed: dict[str, str] = {}
        self._engine, self._output, self._scope = engine, output, scope
        self._listing: Call = (output.names, scope)
        self._making: Call = (output.build, output.cache_key(scope))
        self._groups: tuple[tuple[str, ...], ...] = ()
        self._names: set[str] | None = None

    def is_suspect(self, suspects: NackBisect) -> bool:
        """Tell whether anything may not be as before."""
        return bool(self.failed) or self._listing in suspects or self._making in suspects

    def news(self, view: View, suspects: NackBisect, held: Mapping[str, Resource]) -> dict[str, Resource | None]:
        """Return the resources that are not as those that are held, None for those that are gone."""
        came, gone = self._named(view, suspects)
        todo = suspects.get(self._making, _NONE) & (self._names or _NONE)
        todo |= {name for name in self.failed if name}
        news: dict[str, Resource | None] = {name: None for name in gone if name in held}
        for name in sorted(todo | came):
            before = held.get(name)
            found = self._build(view, name, before)
            if found is not before:
                news[name] = found
        return news

    def close(self) -> None:
        """Let go of everything that was asked for."""
        if self._names is not None:
            self._engine.release([self._listing])
            self._engine.release(self._calls(self._names))
            self._names = None

    def _named(self, view: View, suspects: NackBisect) -> tuple[set[str], set[str]]:
        """Ask which resources there are, unless that cannot have changed; returns the names that came and went."""
        if self._names is None:
            self._engine.hold([self._listing])
            self._names = set()
        elif self._listing not in suspects and "" not in self.failed:
            return set(), set()
        try:
            after = view.memo(self._output.names, self._scope)
        except Exception as error:
            self._fail("", error)
            return set(), set()
        self.failed.pop("", None)
        came, gone = _difference(self._groups, after)
        self._groups = after
        self._names |= came
        self._names -= gone
        self._engine.hold(self._calls(came))
        self._engine.release(self._calls(gone))
        for name in gone:
            self.failed.pop(name, None)
        return came, gone

    def _build(self, view: View, name: str, before: Resource | None) -> Resource | None:
        try:
            found: Resource | None = view.memo(self._output.build, self._making[1], name)
        except Exception as error:
            self._fail(name, error)
            return before
        self.failed.pop(name, None)
        return found

    def _fail(self, name: str, error: Exception) -> None:
        if name not in self.failed:
            log.exception("building %s %s for %s failed; serving the last good one", self.type_url, name, self._scope)
        self.failed[name] = f"{type(error).__name__}: {error}"

    def _calls(self, names: Iterable[str]) -> Iterator[Call]:
        return ((*self._making, name) for name in names)


def _difference(before: tuple[tuple[str, ...], ...], after: tuple[tuple[str, ...], ...]) -> tuple[set[str], set[str]]:
    """Return the names that came and went; groups that are the same tuple are not looked at."""
    if before is after:
        return set(), set()
    known = {id(group) for group in before} & {id(group) for group in after}
    old = {name for group in before if id(group) not in known for name in group}
    new = {name for group in after if id(group) not in known for name in group}
    return new - old, old - new


def _with(held: Mapping[str, Resource], changes: Mapping[str, Resource | None]) -> dict[str, Resource]:
    merged = dict(held)
    for name, resource in changes.items():
        if resource is None:
            merged.pop(name, None)
        else:
            merged[name] = resource
    return merged
