"""From a Snapshot to what proxies are served: the last good ResourceSet of every scope in use."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Proxy, Scope
from mirrorplane.api.resource import ResourceSet, resource_type
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.controlplane.engine.executor import CooperativeExecutor
from mirrorplane.controlplane.engine.gc_policy import gc_paused
from mirrorplane.controlplane.publish.proxy_findings import ProxyFindings
from mirrorplane.controlplane.publish.scope_cache import Dirty, Offer, ScopeCache, dirty_names
from mirrorplane.controlplane.publish.scope_clients import ScopeClients
from mirrorplane.controlplane.publish.scope_index import ScopeIndex
from mirrorplane.controlplane.publish.version_findings import VersionFindings
from mirrorplane.controlplane.settings import ClientLimits
from mirrorplane.translators.contract import Output
from mirrorplane.translators.scopes import criteria, scope_of


class RenderError(RuntimeError):
    """Resources that could not be built: our bug. The message names them."""


class _Attached(msgspec.Struct, frozen=True):
    """A proxy, the scope it is in, and the client that it belongs to."""

    proxy: Proxy
    scope: Scope
    client: str


class Publisher:
    """Keeps a ScopeCache for every scope in use, and offers each proxy the resources of its scope.

    A scope without proxies is evicted, with everything only it had requested. Secrets are only ever built for a scope
    that is trusted with them.
    """

    def __init__(
        self,
        engine: Engine,
        outputs: Sequence[Output],
        executor: CooperativeExecutor,
        on_findings: Callable[[], None] = lambda: None,
        max_scopes: int = ClientLimits().scopes,
    ) -> None:
        self._engine, self._outputs, self._executor = engine, outputs, executor
        self._view: View = engine.view
        self._criteria = self._view.memo(criteria)
        self._engine.hold([(criteria,)])
        self._generations = count(1)
        self._caches: dict[Scope, ScopeCache] = {}
        self._index = ScopeIndex()
        self._clients = ScopeClients(max_scopes)
        self._unused: list[ScopeCache] = []
        self._late: dict[ScopeCache, None] = {}
        self._proxies: dict[Offer, _Attached] = {}
        self.proxy_findings = ProxyFindings(engine, on_findings)
        self.version_findings = VersionFindings(on_findings)

    @property
    def scopes(self) -> int:
        """How many scopes are in use."""
        return len(self._caches)

    @property
    def late(self) -> int:
        """How many scopes in use are brought up to date after all others, and are not yet."""
        return len(self._late)

    @property
    def failures(self) -> dict[tuple[Scope, str, str], str]:
        """Builds that raised and have not succeeded since: by scope, type and name, with the error."""
        caches = self._caches.values()
        return {(cache.scope, *key): error for cache in caches for key, error in cache.failed.items()}

    def attach(self, proxy: Proxy, offer: Offer, client: str = "") -> Callable[[], None]:
        """Offer the proxy its resources, and again whenever they change, until the returned function is called.

        A set that exists is offered at once; one that has to be built first, when it is. Raises TooManyScopesError.
        """
        scope = scope_of(proxy, self._criteria)
        self._clients.check(client, scope)
        self._proxies[offer] = _Attached(proxy, scope, client)
        self.version_findings.add(proxy, scope)
        cache = self._join(scope, offer)
        if cache.ready:
            offer(cache.latest)
        # The first proxy of a scope starts the build; it is offered to all that have come when it ends.
        elif len(cache.offers) == 1:
            if self._clients.has_fair_client(scope):
                self._executor.schedule(lambda: self._build(cache))
            else:
                self._postpone(cache, {})
        return lambda: self._detach(offer)

    def accept(self, offer: Offer) -> None:
        """Note that a proxy has accepted resources. Scopes that no proxy has accepted are brought up to date last."""
        if offer in self._proxies:
            self._caches[self._proxies[offer].scope].accepted = True

    def findings(self) -> Iterator[Finding]:
        """Yield the findings that depend on which proxies are connected."""
        yield from self.proxy_findings.all()
        yield from self.version_findings.all()

    def render(self, proxy: Proxy) -> ResourceSet:
        """Return what the proxy is or would be offered, and keep nothing for it. Raises RenderError.

        In a running server this is work for CooperativeExecutor.
        """
        scope = scope_of(proxy, self._criteria)
        in_use = self._caches.get(scope)
        if in_use is not None and in_use.ready:
            return in_use.latest
        cache = self._new_cache(scope)
        self._refresh(cache)
        cache.close()
        self._engine.collect()
        if cache.failed:
            raise RenderError("; ".join(f"{name or 'names'}: {error}" for (_, name), error in cache.failed.items()))
        return cache.latest

    def origins(self, offer: Offer, type_url: str, name: str) -> frozenset[Ref]:
        """Return the Refs of every object that a resource of a proxy was built from; empty when it has none such.

        Work for CooperativeExecutor.
        """
        if offer not in self._proxies:
            return frozenset()  # it disconnected
        scope = self._proxies[offer].scope
        outputs = [output for output in self._outputs if output.type_url == type_url and output.serves(scope)]
        calls = [(output.build, output.cache_key(scope), name) for output in outputs]
        return frozenset().union(*map(self._engine.provenance, calls))

    def publish(self, view: View, touched: Iterable[Call]) -> int:
        """Bring every scope up to a view; returns how many sets changed.

        Scopes whose clients all have more than their share follow afterwards, each as work of its own (decision 0142).
        """
        self._view = view
        self._move_proxies()
        dirty, changed = dirty_names(touched, self._executor.checkpoint), 0
        for cache in sorted(self._index.affected(dirty), key=lambda cache: not cache.accepted):
            if not self._clients.has_fair_client(cache.scope):
                self._postpone(cache, dirty)
                continue
            # The refresh may pause, and the last proxy of the scope leave meanwhile.
            if cache.refresh(self._view, dirty) and self._caches.get(cache.scope) is cache:
                changed += 1
                cache.offer_all()
            self._note(cache)
        self.proxy_findings.refresh_dirty(self._view, dirty)
        self._engine.collect()
        return changed

    def _move_proxies(self) -> None:
        """Move proxies whose scope changed, because an object began or ceased to select on one of their labels."""
        current = self._view.memo(criteria)
        # By identity: an equal answer is the same object (see Engine).
        if current is self._criteria:
            return
        self._criteria = current
        for offer, attached in list(self._proxies.items()):
            scope = scope_of(attached.proxy, current)
            self._executor.checkpoint()
            if scope != attached.scope and offer in self._proxies:  # it may have disconnected while this paused
                accepted = self._caches[attached.scope].accepted
                self._proxies[offer] = msgspec.structs.replace(attached, scope=scope)
                self._leave(attached, offer)
                cache = self._join(scope, offer)
                cache.accepted = cache.accepted or accepted
                if cache.ready:
                    offer(cache.latest)

    def _detach(self, offer: Offer) -> None:
        attached = self._proxies.pop(offer, None)
        if attached is not None:
            self.version_findings.remove(attached.proxy, attached.scope)
            self._leave(attached, offer)
            self._executor.schedule(self._evict_unused)

    def _join(self, scope: Scope, offer: Offer) -> ScopeCache:
        cache = self._caches.get(scope)
        if cache is None:
            cache = self._caches[scope] = self._new_cache(scope)
            self._index.add(cache)
        cache.offers.add(offer)
        self._clients.add(self._proxies[offer].client, scope)
        return cache

    def _postpone(self, cache: ScopeCache, dirty: Dirty) -> None:
        """Bring a scope up to date once nothing else is to be done."""
        if cache.is_behind(dirty):
            cache.postpone(dirty)
            self._late[cache] = None
            if len(self._late) == 1:
                self._executor.schedule_late(self._refresh_late)

    def _refresh_late(self) -> None:
        cache = min(self._late, key=lambda cache: not cache.accepted)
        del self._late[cache]
        try:
            if self._caches.get(cache.scope) is cache:
                self._build(cache)
        finally:
            if self._late:
                self._executor.schedule_late(self._refresh_late)

    def _build(self, cache: ScopeCache) -> None:
        """Bring a scope's resources up to date, unless a publish did so meanwhile or all its proxies have left."""
        if cache.offers and self._refresh(cache):
            cache.offer_all()
        self._note(cache)

    def _note(self, cache: ScopeCache) -> None:
        """Note what a refresh of a cache leads to, unless the last proxy of its scope left meanwhile."""
        if self._caches.get(cache.scope) is cache:
            self._index.note(cache)
            self.proxy_findings.refresh(self._view, cache.scope)

    def _refresh(self, cache: ScopeCache) -> bool:
        with gc_paused(lambda: self._engine.runs):
            return cache.refresh(self._view, {})

    def _new_cache(self, scope: Scope) -> ScopeCache:
        outputs = (
            o for o in self._outputs if scope.secret_gateways or o.public or not resource_type(o.type_url).private
        )
        return ScopeCache(self._engine, outputs, scope, self._generations)

    def _leave(self, attached: "_Attached", offer: Offer) -> None:
        scope = attached.scope
        self._clients.remove(attached.client, scope)
        cache = self._caches[scope]
        cache.offers.discard(offer)
        if not cache.offers:
            del self._caches[scope]
            self._index.discard(cache)
            self._late.pop(cache, None)
            self._unused.append(cache)
            self.proxy_findings.drop(scope)

    def _evict_unused(self) -> None:
        """Evict scopes without proxies: long work, where thousands of resources were theirs alone."""
        while self._unused:
            self._unused.pop().close()
        self._engine.collect()
