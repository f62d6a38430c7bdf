"""Which scopes a change may concern, so that it costs nothing for the others, of which there may be thousands."""

from mirrorplane.controlplane.publish.scope_cache import Dirty, DirtyKey, ScopeCache


class ScopeIndex:
    """The caches of all scopes in use, by the calls that their resources are made by."""

    def __init__(self) -> None:
        self._by_key: dict[DirtyKey, set[ScopeCache]] = {}
        self._incomplete: set[ScopeCache] = set()

    def add(self, cache: ScopeCache) -> None:
        """Add the cache of a scope that is in use from now on."""
        for key in cache.keys:
            self._by_key.setdefault(key, set()).add(cache)
        self.note(cache)

    def discard(self, cache: ScopeCache) -> None:
        """Remove the cache of a scope that no proxy is in any more."""
        for key in cache.keys:
            caches = self._by_key[key]
            caches.discard(cache)
            if not caches:
                del self._by_key[key]
        self._incomplete.discard(cache)

    def note(self, cache: ScopeCache) -> None:
        """Note whether a refresh of a cache in use left something to do."""
        if cache.incomplete:
            self._incomplete.add(cache)
        else:
            self._incomplete.discard(cache)

    def affected(self, dirty: Dirty) -> set[ScopeCache]:
        """Return the caches that a change may concern, and those whose last refresh left something to do."""
        return self._incomplete.union(*(self._by_key.get(key, ()) for key in dirty))
