"""Which objects a rejected resource was made from. Separate from the feed because it is a cache with a rule of its own.

The engine's recorded reads know it (decision 0013), but walking them is long work for a resource of a large world, and
a thousand proxies that share a scope reject the same resource within milliseconds.
"""

import heapq

import msgspec

from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import Resource
from mirrorplane.controlplane.findings.nacks import MOST_OBJECTS
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.xds.feed import Offer


class Origins(msgspec.Struct, frozen=True):
    """The objects a resource was made from: how many, and those that may be why it is rejected."""

    count: int
    suspects: tuple[Ref, ...]


class OriginCache:
    """Origins of resources, remembered until the plane publishes again."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._published = 0
        # The resource is part of the value: its id, in the key, is only its own as long as it lives.
        self._cached: dict[tuple[int, int], tuple[Resource, Origins]] = {}

    def find(self, offer: Offer, resource: Resource, since: int) -> Origins:
        """Return the origins of a resource that was offered to a proxy. Long work, where the world is large.

        Suspect are the objects that changed after version `since` of the snapshot, which the proxy accepted, or all
        when none did; at most MOST_OBJECTS. See decision 0031.
        """
        if self._published != self._plane.published:
            self._published = self._plane.published
            self._cached.clear()
        key = id(resource), since
        if key not in self._cached:
            refs = self._plane.publisher.origins(offer, resource.type_url, resource.name)
            newer = [ref for ref in refs if self._plane.store.changed_at(ref) > since]
            suspects = tuple(heapq.nsmallest(MOST_OBJECTS, newer or refs))
            self._cached[key] = resource, Origins(len(refs), suspects)
        return self._cached[key][1]
