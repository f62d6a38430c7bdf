"""Which objects a rejected resource was built from.

The engine's recorded reads know it (decision 0013), but walking them is long work for a resource in a large mesh, and
a thousand proxies that share a scope reject the same resource within milliseconds.
"""

import heapq
from collections.abc import Callable

import msgspec

from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import Resource
from mirrorplane.controlplane.engine.store import Store
from mirrorplane.controlplane.findings.nacks import MOST_OBJECTS
from mirrorplane.controlplane.publish.publisher import Publisher
from mirrorplane.controlplane.publish.scope_cache import Offer


class Origins(msgspec.Struct, frozen=True):
    """The objects a resource was built from: how many, and those that may be why it is rejected."""

    count: int
    candidates: tuple[Ref, ...]


class OriginCache:
    """Origins of resources, remembered until `published` returns another version of the snapshot."""

    def __init__(self, publisher: Publisher, store: Store, published: Callable[[], int]) -> None:
        self._publisher, self._store, self._published = publisher, store, published
        self._version = 0
        # The resource is part of the value: its id, in the key, is only its own as long as it lives.
        self._cached: dict[tuple[int, int], tuple[Resource, Origins]] = {}

    def find(self, offer: Offer, resource: Resource, since: int) -> Origins:
        """Return the origins of a resource that was offered to a proxy. Long work when the mesh is large.

        The candidates are the objects that changed after version `since` of the snapshot, which the proxy accepted, or
        all when none did; at most MOST_OBJECTS. See decision 0031.
        """
        if self._version != self._published():
            self._version = self._published()
            self._cached.clear()
        key = id(resource), since
        if key not in self._cached:
            refs = self._publisher.origins(offer, resource.type_url, resource.name)
            newer = [ref for ref in refs if self._store.changed_at(ref) > since]
            candidates = tuple(heapq.nsmallest(MOST_OBJECTS, newer or refs))
            self._cached[key] = resource, Origins(len(refs), candidates)
        return self._cached[key][1]
