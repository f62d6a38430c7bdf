"""What we serve: xDS resources, already serialised, and the sets of them."""

from collections.abc import Mapping

import msgspec

_PREFIX = "type.googleapis.com/"
CLUSTER = _PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINT = _PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = _PREFIX + "envoy.config.listener.v3.Listener"
ROUTE = _PREFIX + "envoy.config.route.v3.RouteConfiguration"
SECRET = _PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"

PUSH_ORDER = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET)
"""Make before break: a route is pushed after the clusters it names. Removal goes the other way."""


class Resource(msgspec.Struct, frozen=True):
    """One xDS resource. `version` is a hash of its content, so it survives restarts.

    `chunks` are the serialised message in pieces, which large ones share with their predecessors; `uses` names the
    resources of the next type that it waits for (a cluster its endpoints, a listener its route configurations).
    """

    type_url: str
    name: str
    version: str
    chunks: tuple[bytes, ...]
    uses: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shown = f"{self.size} bytes" if self.type_url == SECRET else repr(self.chunks)
        return f"Resource({self.type_url!r}, {self.name!r}, {self.version!r}, {shown}, {self.uses!r})"

    @property
    def body(self) -> bytes:
        """The serialised message in one piece, made for whoever asks."""
        return b"".join(self.chunks)

    @property
    def size(self) -> int:
        """How many bytes the serialised message has."""
        return sum(map(len, self.chunks))


class ResourceSet(msgspec.Struct, frozen=True):
    """All resources of one Scope, by type and name. No two sets have one `generation`, whatever their scopes.

    `changed` says, by type, which names were added, updated or removed since the set of generation `after`; a reader
    that holds another set, because it missed some or comes from another scope, compares versions instead.
    """

    generation: int
    resources: Mapping[str, Mapping[str, Resource]]
    changed: Mapping[str, frozenset[str]]
    after: int

    def of(self, type_url: str) -> Mapping[str, Resource]:
        """Return the resources of one type by name; empty for a type we do not serve."""
        return self.resources.get(type_url, {})
