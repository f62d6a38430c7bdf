"""The findings about the versions of Envoy that are connected: one a version, however many proxies run it."""

from collections import Counter
from collections.abc import Callable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.proxy import Proxy, Scope
from mirrorplane.translators.envoy_versions import version_findings


class VersionFindings:
    """Counts the proxies of each version. `on_change` is called when the first with findings comes or the last goes."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self._proxies: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def add(self, proxy: Proxy, scope: Scope) -> None:
        """Count a proxy that connected."""
        key = proxy.envoy_version, scope.missing_features
        self._proxies[key] += 1
        if self._proxies[key] == 1:
            self._changed(key)

    def remove(self, proxy: Proxy, scope: Scope) -> None:
        """Count a proxy no more."""
        key = proxy.envoy_version, scope.missing_features
        self._proxies[key] -= 1
        if not self._proxies[key]:
            del self._proxies[key]
            self._changed(key)

    def all(self) -> Iterator[Finding]:
        """Yield those of every version that is connected."""
        for version, missing_features in sorted(self._proxies):
            yield from version_findings(version, missing_features)

    def _changed(self, key: tuple[str, tuple[str, ...]]) -> None:
        if any(version_findings(*key)):
            self._on_change()
