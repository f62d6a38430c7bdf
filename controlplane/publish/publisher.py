"""From a Snapshot to what each scope is served: the last good ResourceSet of every scope some proxy uses."""

import logging
from collections.abc import Callable, Iterable
from itertools import count

from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import ROUTER, Proxy, Scope
from mirrorplane.api.resource import ResourceSet, resource_type
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.controlplane.engine.executor import CooperativeExecutor
from mirrorplane.controlplane.engine.gc_policy import without_collecting
from mirrorplane.controlplane.publish.scope_cache import Offer, ScopeCache, suspects_of
from mirrorplane.translators.contract import Output
from mirrorplane.translators.routers.servers import unserved
from mirrorplane.translators.scopes import criteria, scope_of

log = logging.getLogger(__name__)


class RenderError(RuntimeError):
    """Resources that could not be built: our bug. The message names them."""


class Publisher:
    """Keeps a ScopeCache for every scope in use, and offers each proxy the set of its scope.

    A scope that nobody uses any more is forgotten, with everything only it had asked for. Secrets are only ever made
    for a scope that holds the identity they are for.
    """

    def __init__(self, engine: Engine, outputs: Iterable[Output], executor: CooperativeExecutor) -> None:
        self._engine, self._outputs, self._executor = engine, tuple(outputs), executor
        self._view: View = engine.view
        self._criteria = self._view.memo(criteria)
        self._engine.hold([(criteria,)])
        self._generations = count(1)
        self._leaving: list[ScopeCache] = []
        self._boards: dict[Scope, ScopeCache] = {}
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
        """Offer the proxy its set, and again whenever it changes, until the returned function is called.

        A set that is there already is offered at once; one that has to be made first, when it is.
        """
        scope = scope_of(proxy, self._criteria)
        self._proxies[offer] = (proxy, scope)
        board = self._join(scope, offer)
        if board.ready:
            offer(board.latest)
        elif len(board.offers) == 1:
            self._executor.schedule(lambda: self._open(board))
        return lambda: self._detach(offer)

    def render(self, proxy: Proxy) -> ResourceSet:
        """Return what the proxy is or would be offered, and remember nothing for it. Raises RenderError.

        In a running server this is work for CooperativeExecutor.
        """
        scope = scope_of(proxy, self._criteria)
        known = self._boards.get(scope)
        if known is not None and known.ready:
            return known.latest
        board = self._new_board(scope)
        self._refresh(board)
        board.close()
        self._engine.collect()
        if board.failed:
            raise RenderError("; ".join(f"{name or 'names'}: {error}" for (_, name), error in board.failed.items()))
        return board.latest

    def origins(self, offer: Offer, type_url: str, name: str) -> frozenset[Ref]:
        """Return the Refs of every object that a resource of a proxy was made from; empty when it has no such.

        Work for CooperativeExecutor.
        """
        if offer not in self._proxies:
            return frozenset()  # it left
        scope = self._proxies[offer][1]
        known = [output for output in self._outputs if output.type_url == type_url and output.serves(scope)]
        calls = [(output.build, output.cache_key(scope), name) for output in known]
        return frozenset().union(*map(self._engine.provenance, calls))

    def publish(self, view: View, touched: Iterable[Call]) -> int:
        """Bring every scope up to a view; returns how many sets changed."""
        self._view = view
        self._move()
        suspects, changed = suspects_of(touched, self._executor.checkpoint), 0
        for board in list(self._boards.values()):
            if board.refresh(self._view, suspects) and self._boards.get(board.scope) is board:
                changed += 1
                self._remark(board)
                board.spread()
        self._engine.collect()
        return changed

    def _move(self) -> None:
        """Move proxies whose scope is another one now, because some object began or ceased to select on a label."""
        asked = self._view.memo(criteria)
        if asked is self._criteria:
            return
        self._criteria = asked
        for offer, (proxy, old) in list(self._proxies.items()):
            scope = scope_of(proxy, asked)
            self._executor.checkpoint()
            if scope != old and offer in self._proxies:
                self._proxies[offer] = (proxy, scope)
                self._leave(old, offer)
                board = self._join(scope, offer)
                if board.ready:
                    offer(board.latest)

    def _detach(self, offer: Offer) -> None:
        found = self._proxies.pop(offer, None)
        if found is not None:
            self._leave(found[1], offer)
            self._executor.schedule(self._forget)

    def _join(self, scope: Scope, offer: Offer) -> ScopeCache:
        board = self._boards.get(scope)
        if board is None:
            board = self._boards[scope] = self._new_board(scope)
        board.offers.add(offer)
        return board

    def _open(self, board: ScopeCache) -> None:
        """Make a new board's set, unless a publish has done it meanwhile, or nobody is left who wants it."""
        if not board.ready and board.offers:
            self._refresh(board)
            board.spread()

    def _refresh(self, board: ScopeCache) -> None:
        with without_collecting(lambda: self._engine.runs):
            board.refresh(self._view, {})
        self._remark(board)

    def _remark(self, board: ScopeCache) -> None:
        """Log which servers of its gateways a router does not serve, once each: Envoy would say nothing of them."""
        if board.scope.role == ROUTER:
            for lost in set(self._view.memo(unserved, board.scope)) - board.remarked:
                what = f"{lost.server.path} of {lost.about}"
                log.warning("routers of namespace %s do not serve %s: %s", board.scope.namespace, what, lost.why)
                board.remarked.add(lost)

    def _new_board(self, scope: Scope) -> ScopeCache:
        known = (o for o in self._outputs if scope.identity or o.public or not resource_type(o.type_url).private)
        return ScopeCache(self._engine, known, scope, self._generations)

    def _leave(self, scope: Scope, offer: Offer) -> None:
        board = self._boards[scope]
        board.offers.discard(offer)
        if not board.offers:
            del self._boards[scope]
            self._leaving.append(board)

    def _forget(self) -> None:
        """Forget scopes that nobody uses any more: long work, where thousands of resources were theirs alone."""
        while self._leaving:
            self._leaving.pop().close()
        self._engine.collect()
