"""The findings that depend on connected proxies, by scope: kept while a proxy of the scope is connected."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.controlplane.publish.scope_cache import Dirty
from mirrorplane.translators.routers.findings import router_findings
from mirrorplane.translators.sidecars.findings import bound_sidecar_findings

log = logging.getLogger(__name__)


class ProxyFindings:
    """What proxies of each scope in use do not do. `on_change` is called whenever that changes.

    Scopes that share their findings share the work: sidecars have those of what they see.
    """

    def __init__(self, engine: Engine, on_change: Callable[[], None] = lambda: None) -> None:
        self._engine, self._on_change = engine, on_change
        self._scopes: set[Scope] = set()
        self._users: Counter[Call] = Counter()
        self._by_call: dict[Call, tuple[Finding, ...]] = {}
        self._failed: set[Call] = set()

    def refresh(self, view: View, scope: Scope) -> None:
        """Bring the findings of a scope in use up to a view. Costs nothing when nothing that they read changed."""
        call = _call(scope)
        if call is None:
            return
        if scope not in self._scopes:
            self._scopes.add(scope)
            self._users[call] += 1
        if call not in self._by_call:
            self._by_call[call] = ()
            self._engine.hold([call])
        self._update(view, call)

    def refresh_dirty(self, view: View, dirty: Dirty) -> None:
        """Bring up to a view the findings that a change may concern, and those that could not be made before it."""
        for call in self._failed | (self._by_call.keys() & dirty.keys()):
            if call in self._by_call:  # an update may pause, and the last proxy of another scope leave meanwhile
                self._update(view, call)

    def drop(self, scope: Scope) -> None:
        """Drop those of a scope whose last proxy left."""
        call = _call(scope)
        if call is None or scope not in self._scopes:
            return
        self._scopes.remove(scope)
        self._users[call] -= 1
        if self._users[call]:
            return
        del self._users[call]
        self._failed.discard(call)
        self._engine.release([call])
        if self._by_call.pop(call):
            self._on_change()

    def of(self, scope: Scope) -> tuple[Finding, ...]:
        """Return those of a scope; none for one that is not in use."""
        call = _call(scope)
        return self._by_call.get(call, ()) if call is not None and scope in self._scopes else ()

    def all(self) -> Iterator[Finding]:
        """Yield the findings of every scope in use; several scopes may have equal ones."""
        for findings in self._by_call.values():
            yield from findings

    def _update(self, view: View, call: Call) -> None:
        before = self._by_call[call]
        try:
            after: tuple[Finding, ...] = view.memo(*call)
        except Exception:  # our bug, which must not keep proxies from their resources
            log.exception("checking what proxies of %s serve failed", call[1])
            self._failed.add(call)
            return
        self._failed.discard(call)
        if call in self._by_call:  # the work may pause, and its last proxy leave meanwhile
            self._by_call[call] = after
            if after != before:
                self._on_change()


def _call(scope: Scope) -> Call | None:
    """Return the call that has the findings of a scope; None for sidecars with interception, which have none."""
    if scope.role == ROUTER:
        return router_findings, scope
    return None if scope.intercepted else (bound_sidecar_findings, scope.visibility)
