"""The findings that depend on connected routers, by scope: kept while a router of the scope is connected."""

import logging
from collections.abc import Callable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Engine
from mirrorplane.translators.routers.findings import router_findings

log = logging.getLogger(__name__)


class RouterFindings:
    """What routers of each scope in use do not do. `on_change` is called whenever that changes."""

    def __init__(self, engine: Engine, on_change: Callable[[], None] = lambda: None) -> None:
        self._engine, self._on_change = engine, on_change
        self._by_scope: dict[Scope, tuple[Finding, ...]] = {}

    def refresh(self, view: View, scope: Scope) -> None:
        """Bring the findings of a scope in use up to a view. Costs nothing when nothing that they read changed."""
        if scope.role != ROUTER:
            return
        if scope not in self._by_scope:
            self._engine.hold([(router_findings, scope)])
        before = self._by_scope.setdefault(scope, ())
        try:
            after = view.memo(router_findings, scope)
        except Exception:  # our bug, which must not keep proxies from their resources
            log.exception("checking what routers of %s serve failed", scope)
            return
        self._by_scope[scope] = after
        if after != before:
            self._on_change()

    def refresh_all(self, view: View) -> None:
        """Bring the findings of all scopes up to a view."""
        for scope in tuple(self._by_scope):
            if scope in self._by_scope:  # a refresh may pause, and the last router of another scope leave meanwhile
                self.refresh(view, scope)

    def drop(self, scope: Scope) -> None:
        """Drop those of a scope whose last router left."""
        findings = self._by_scope.pop(scope, None)
        if findings is not None:
            self._engine.release([(router_findings, scope)])
        if findings:
            self._on_change()

    def of(self, scope: Scope) -> tuple[Finding, ...]:
        """Return those of a scope; none for one that is not in use."""
        return self._by_scope.get(scope, ())

    def all(self) -> Iterator[Finding]:
        """Yield the findings of every scope in use; several scopes may have equal ones."""
        for findings in self._by_scope.values():
            yield from findings
