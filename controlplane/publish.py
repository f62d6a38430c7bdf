"""From a Snapshot to what each scope is served: the last good ResourceSet of every scope some proxy uses."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from api.meta import Ref
from api.proxy import Proxy, Scope
from api.resource import Resource, ResourceSet
from api.view import View
from controlplane.engine import Call, Engine
from controlplane.garbage import without_collecting
from translators.contract import Output
from translators.scopes import scope_of

log = logging.getLogger(__name__)
Offer = Callable[[ResourceSet], None]


class RenderError(RuntimeError):
    """Resources that could not be built: our bug. The message names them."""


class Publisher:
    """Keeps a Board for every scope in use, and offers each proxy the set of its scope.

    A scope that nobody uses any more is forgotten, with everything only it had asked for.
    """

    def __init__(self, engine: Engine, outputs: Iterable[Output]) -> None:
        self._engine, self._outputs = engine, tuple(outputs)
        self._view: View = engine.view
        self._boards: dict[Scope, Board] = {}
        self._proxies: dict[Offer, tuple[Proxy, Scope]] = {}

    @property
    def scopes(self) -> int:
        """How many scopes are in use."""
        return len(self._boards)

    @property
    def failures(self) -> dict[tuple[Scope, str, str], str]:
        """Builds that raised and have not succeeded since: by scope, type and name, with the error."""
        return {(b.scope, *key): error for b in self._boards.values() for key, error in b.failed.items()}

    def attach(self, proxy: Proxy, offer: Offer) -> Callable[[], None]:
        """Offer the proxy its set now, and again whenever it changes, until the returned function is called."""
        scope = scope_of(self._view, proxy)
        self._proxies[offer] = (proxy, scope)
        board = self._join(scope, offer)
        offer(board.latest)
        return lambda: self._detach(offer)

    def render(self, proxy: Proxy) -> ResourceSet:
        """Return what the proxy is or would be offered, and remember nothing for it. Raises RenderError."""
        scope = scope_of(self._view, proxy)
        if scope in self._boards:
            return self._boards[scope].latest
        board = self._new_board(scope)
        self._engine.release(list(board.calls()))
        self._engine.collect()
        if board.failed:
            raise RenderError("; ".join(f"{name or 'names'}: {error}" for (_, name), error in board.failed.items()))
        return board.latest

    def origins(self, offer: Offer, type_url: str, name: str) -> frozenset[Ref]:
        """Return the Refs of every object that a resource of a proxy was made from; empty when it has no such."""
        scope = self._proxies[offer][1]
        builds = [output.build for output in self._outputs if output.type_url == type_url]
        return frozenset().union(*(self._engine.provenance((build, scope, name)) for build in builds))

    async def publish(self, view: View, touched: set[Call]) -> int:
        """Bring every scope up to a view; returns how many sets changed. Yields to the loop between scopes."""
        self._view = view
        self._move()
        changed = 0
        for board in list(self._boards.values()):
            if self._boards.get(board.scope) is board and board.refresh(self._view, touched):
                changed += 1
                board.spread()
            await asyncio.sleep(0)
        self._engine.collect()
        return changed

    def _move(self) -> None:
        """Move proxies whose scope is another one now, because some object began or ceased to select on a label."""
        for offer, (proxy, old) in list(self._proxies.items()):
            scope = scope_of(self._view, proxy)
            if scope != old:
                self._proxies[offer] = (proxy, scope)
                self._leave(old, offer)
                offer(self._join(scope, offer).latest)

    def _detach(self, offer: Offer) -> None:
        found = self._proxies.pop(offer, None)
        if found is not None:
            self._leave(found[1], offer)
            self._engine.collect()

    def _join(self, scope: Scope, offer: Offer) -> "Board":
        board = self._boards.get(scope)
        if board is None:
            board = self._boards[scope] = self._new_board(scope)
        board.offers.add(offer)
        return board

    def _new_board(self, scope: Scope) -> "Board":
        board = Board(self._engine, self._outputs, scope)
        with without_collecting(lambda: self._engine.runs):
            board.refresh(self._view, set())
        return board

    def _leave(self, scope: Scope, offer: Offer) -> None:
        board = self._boards[scope]
        board.offers.discard(offer)
        if not board.offers:
            del self._boards[scope]
            self._engine.release(list(board.calls()))


class Board:
    """One scope's resources and who wants them.

    Only calls that the engine suspects are asked again. A build that raises is our bug: the last good resource stays,
    and the build is tried again at the next publish.
    """

    def __init__(self, engine: Engine, outputs: Iterable[Output], scope: Scope) -> None:
        self.scope = scope
        self.offers: set[Offer] = set()
        self.latest = ResourceSet(0, {}, {})
        self.failed: dict[tuple[str, str], str] = {}
        self._engine, self._outputs = engine, tuple(outputs)
        self._names: dict[str, tuple[str, ...]] = {}

    def refresh(self, view: View, touched: set[Call]) -> bool:
        """Bring the set up to date; returns whether anything changed."""
        changed: dict[str, frozenset[str]] = {}
        resources = dict(self.latest.resources)
        for output in self._outputs:
            held = dict(self.latest.of(output.type_url))
            changed[output.type_url] = frozenset(self._apply(view, output, touched, held))
            if changed[output.type_url]:
                resources[output.type_url] = held
        if not any(changed.values()):
            return False
        self.latest = ResourceSet(self.latest.generation + 1, resources, {t: n for t, n in changed.items() if n})
        return True

    def spread(self) -> None:
        """Offer the set to everyone who wants it. What one of them does wrong is not the others' loss."""
        for offer in list(self.offers):
            try:
                offer(self.latest)
            except Exception:
                log.exception("a stream of %s failed to take its new set", self.scope)

    def calls(self) -> Iterator[Call]:
        """Yield every call this board asks the engine for."""
        for output in self._outputs:
            yield (output.names, self.scope)
            yield from ((output.build, self.scope, name) for name in self._names.get(output.type_url, ()))

    def _apply(self, view: View, output: Output, touched: set[Call], held: dict[str, Resource]) -> Iterator[str]:
        """Update the resources of one type in place, and yield the names that changed."""
        before = self._names.get(output.type_url, ())
        names = self._names_of(view, output, before)
        todo = {call[2] for call in touched if call[0] is output.build and call[1] == self.scope}
        todo |= {name for type_url, name in self.failed if type_url == output.type_url and name}
        if names is not before:
            known, present = set(before), set(names)
            todo = todo & present | present - known
            yield from self._drop(output, known - present, held)
            self._names[output.type_url] = names
        for name in sorted(todo):
            found = self._build(view, output, name)
            if found is not held.get(name) and self._put(held, name, found):
                yield name

    def _names_of(self, view: View, output: Output, before: tuple[str, ...]) -> tuple[str, ...]:
        try:
            names = view.memo(output.names, self.scope)
        except Exception as error:
            self._fail((output.type_url, ""), error)
            return before
        self.failed.pop((output.type_url, ""), None)
        return names

    def _build(self, view: View, output: Output, name: str) -> Resource | None:
        try:
            found = view.memo(output.build, self.scope, name)
        except Exception as error:
            self._fail((output.type_url, name), error)
            return self.latest.of(output.type_url).get(name)
        self.failed.pop((output.type_url, name), None)
        return found

    def _fail(self, key: tuple[str, str], error: Exception) -> None:
        if key not in self.failed:
            log.exception("building %s %s for %s failed; serving the last good one", *key, self.scope)
        self.failed[key] = f"{type(error).__name__}: {error}"

    def _drop(self, output: Output, gone: set[str], held: dict[str, Resource]) -> Iterator[str]:
        for name in gone:
            self.failed.pop((output.type_url, name), None)
            if held.pop(name, None) is not None:
                yield name
        self._engine.release((output.build, self.scope, name) for name in gone)

    @staticmethod
    def _put(held: dict[str, Resource], name: str, found: Resource | None) -> bool:
        if found is None:
            return held.pop(name, None) is not None
        held[name] = found
        return True
