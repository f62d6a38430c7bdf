"""One scope's resources: the last good set, brought up to a view by asking only for what may have changed."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from api.proxy import Scope
from api.resource import Resource, ResourceSet
from api.view import View
from controlplane.engine import Call, Engine
from translators.contract import Output

log = logging.getLogger(__name__)
Offer = Callable[[ResourceSet], None]
Suspects = Mapping[tuple[Any, Any], set[str]]
"""What may have changed: names of resources by how they are built (function, key), and (names, scope) of lists."""

_NOTHING: ResourceSet = ResourceSet(0, {}, {}, 0)


def suspects_of(touched: Iterable[Call], breathe: Callable[[], None]) -> Suspects:
    """Return the suspects among touched calls: (build, key, name) and (names, scope)."""
    found: dict[tuple[Any, Any], set[str]] = {}
    for call in touched:
        found.setdefault(call[:2], set()).update(call[2:])
        breathe()
    return found


class Board:
    """One scope's resources and who wants them.

    A build that raises is our bug: the last good resource stays, and the build is tried again at the next publish.
    `generations` are numbers that no other set has: a proxy may move from one board to another.
    """

    def __init__(self, engine: Engine, outputs: Iterable[Output], scope: Scope, generations: Iterator[int]) -> None:
        self.scope = scope
        self.offers: set[Offer] = set()
        self.latest = _NOTHING
        self.ready = False
        self.failed: dict[tuple[str, str], str] = {}
        self._engine, self._outputs, self._generations = engine, tuple(outputs), generations
        self._asked: list[Call] = [(output.names, scope) for output in self._outputs]
        self._asked += [(output.build, output.key(scope)) for output in self._outputs]
        self._groups: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._names: dict[str, set[str]] = {}

    def refresh(self, view: View, suspects: Suspects) -> bool:
        """Bring the set up to date; returns whether anything changed."""
        if self.ready and not self.failed and not any(asked in suspects for asked in self._asked):
            return False
        news = {output.type_url: self._news(view, output, suspects) for output in self._outputs}
        first, self.ready = not self.ready, True
        if not first and not any(news.values()):
            return False
        resources = dict(self.latest.resources)
        for type_url, changes in news.items():
            if changes:
                resources[type_url] = _with(self.latest.of(type_url), changes)
        changed = {type_url: frozenset(changes) for type_url, changes in news.items() if changes}
        self.latest = ResourceSet(next(self._generations), resources, changed, self.latest.generation)
        return True

    def spread(self) -> None:
        """Offer the set to everyone who wants it. What one of them does wrong is not the others' loss."""
        for offer in list(self.offers):
            self._engine.breathe()
            if offer not in self.offers:
                continue  # it left meanwhile
            try:
                offer(self.latest)
            except Exception:
                log.exception("a stream of %s failed to take its new set", self.scope)

    def _news(self, view: View, output: Output, suspects: Suspects) -> dict[str, Resource | None]:
        """Return the resources of one type that are not as before, None for those that are gone."""
        held = self.latest.of(output.type_url)
        came, gone = self._named(view, output, suspects)
        todo = suspects.get((output.build, output.key(self.scope)), set()) & self._names[output.type_url]
        todo |= {name for type_url, name in self.failed if type_url == output.type_url and name}
        news: dict[str, Resource | None] = {name: None for name in gone if name in held}
        for name in sorted(todo | came):
            found = self._build(view, output, name)
            if found is not held.get(name):
                news[name] = found
        return news

    def _named(self, view: View, output: Output, suspects: Suspects) -> tuple[set[str], set[str]]:
        """Ask which resources there are, unless that cannot have changed; returns the names that came and went."""
        call = (output.names, self.scope)
        if output.type_url not in self._names:
            self._engine.hold([call])
            self._names[output.type_url] = set()
        elif call not in suspects and (output.type_url, "") not in self.failed:
            return set(), set()
        try:
            after = view.memo(output.names, self.scope)
        except Exception as error:
            self._fail((output.type_url, ""), error)
            return set(), set()
        self.failed.pop((output.type_url, ""), None)
        came, gone = _difference(self._groups.get(output.type_url, ()), after)
        self._groups[output.type_url] = after
        self._names[output.type_url] |= came
        self._names[output.type_url] -= gone
        self._engine.hold(self._calls(output, came))
        self._engine.release(self._calls(output, gone))
        for name in gone:
            self.failed.pop((output.type_url, name), None)
        return came, gone

    def _build(self, view: View, output: Output, name: str) -> Resource | None:
        try:
            found = view.memo(output.build, output.key(self.scope), name)
        except Exception as error:
            self._fail((output.type_url, name), error)
            return self.latest.of(output.type_url).get(name)
        self.failed.pop((output.type_url, name), None)
        return found

    def _fail(self, key: tuple[str, str], error: Exception) -> None:
        if key not in self.failed:
            log.exception("building %s %s for %s failed; serving the last good one", *key, self.scope)
        self.failed[key] = f"{type(error).__name__}: {error}"

    def close(self) -> None:
        """Let the engine forget what only this board asked for."""
        for output in self._outputs:
            names = self._names.pop(output.type_url, None)
            if names is not None:
                self._engine.release([(output.names, self.scope)])
                self._engine.release(self._calls(output, names))

    def _calls(self, output: Output, names: Iterable[str]) -> Iterator[Call]:
        key = output.key(self.scope)
        return ((output.build, key, name) for name in names)


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
