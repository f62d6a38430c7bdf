"""What is served: the xDS types, resources of them (already serialised), and sets of resources."""

from collections.abc import Mapping
from graphlib import TopologicalSorter

import msgspec

TYPE_URL_PREFIX = "type.googleapis.com/"
CLUSTER = TYPE_URL_PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINT = TYPE_URL_PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = TYPE_URL_PREFIX + "envoy.config.listener.v3.Listener"
ROUTE = TYPE_URL_PREFIX + "envoy.config.route.v3.RouteConfiguration"
SECRET = TYPE_URL_PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"


class ResourceType(msgspec.Struct, frozen=True, kw_only=True):
    """One xDS type: a row of RESOURCE_TYPES, which is all that the code knows of single types.

    Protocol, publisher, metrics, `render` and `proxies` derive their lists from the rows. A new type is a row here and
    a file in `translators/outputs/`: RTDS (a mirror's percentage, ramped by a job without a route push) and ECDS
    (filters that change without a listener push) fit as they are. LRS, ALS and OTLP are services and not types: see
    `controlplane/grpc_server`.

    `url`: the type URL. `short`: the name of its discovery service in Envoy and istioctl (CDS).
    `service`: the gRPC service of streams of this type alone. `methods`: the noun in its methods (`StreamClusters`).
    `users`: the types whose resources may name one of this type. It is removed after they are updated.
    `waits`: a response waits until the types before it in push order are accepted. Endpoints and secrets must not:
    Envoy withholds a cluster's ACK until they come.
    `full_state`: a SotW response holds every resource, and a first request without names subscribes to all of them
    (xDS protocol, "How the client specifies what resources to return").
    `warmed_by`: the type of `Resource.uses` that Envoy must be sent again for each new or changed resource of this
    type. Envoy 1.40 warms a changed cluster only on a fresh EDS response, and waits 15 s for it.
    `stub`: in SotW, a missing resource is sent with nothing but its name (field 1 of the message), since SotW cannot
    say that it is missing and Envoy would wait for it, 15 s.
    `pins_when_rejected`: a rejected resource still uses what it names. Not so for listeners: one whose port is taken
    may stay rejected for ever.
    `private`: bytes are never shared between streams, printed, or sent to a proxy without an identity (decision 0026).
    """

    url: str
    short: str = ""
    service: str = ""
    methods: str = ""
    users: tuple[str, ...] = ()
    waits: bool = False
    full_state: bool = False
    warmed_by: str = ""
    stub: bool = False
    pins_when_rejected: bool = True
    private: bool = False

    @property
    def plural(self) -> str:
        """The type in the words of `render --type`: `clusters`."""
        return self.methods.lower()


RESOURCE_TYPES = (
    ResourceType(
        url=CLUSTER,
        short="CDS",
        service="envoy.service.cluster.v3.ClusterDiscoveryService",
        methods="Clusters",
        users=(LISTENER, ROUTE),
        full_state=True,
        warmed_by=ENDPOINT,
    ),
    ResourceType(
        url=ENDPOINT,
        short="EDS",
        service="envoy.service.endpoint.v3.EndpointDiscoveryService",
        methods="Endpoints",
        users=(CLUSTER,),
        stub=True,
    ),
    ResourceType(
        url=LISTENER,
        short="LDS",
        service="envoy.service.listener.v3.ListenerDiscoveryService",
        methods="Listeners",
        waits=True,
        full_state=True,
        pins_when_rejected=False,
    ),
    ResourceType(
        url=ROUTE,
        short="RDS",
        service="envoy.service.route.v3.RouteDiscoveryService",
        methods="Routes",
        users=(LISTENER,),
        waits=True,
    ),
    ResourceType(
        url=SECRET,
        short="SDS",
        service="envoy.service.secret.v3.SecretDiscoveryService",
        methods="Secrets",
        users=(LISTENER, CLUSTER),
        private=True,
    ),
)
"""Every type that is served, in push order: a route is pushed after the clusters it names (make before break)."""

_BY_URL = {row.url: row for row in RESOURCE_TYPES}

PUSH_ORDER = tuple(_BY_URL)
"""The type URLs in push order."""

RELEASE_ORDER = tuple(TopologicalSorter({row.url: row.users for row in RESOURCE_TYPES}).static_order())
"""The type URLs with users before what they use: the order of removal, and the way a request takes through Envoy."""


def resource_type(url: str) -> ResourceType:
    """Return the row of a type. A type that is not served has none: the row returned for it has no property set."""
    return _BY_URL.get(url) or ResourceType(url=url)


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
        chunks = f"{self.size} bytes" if resource_type(self.type_url).private else repr(self.chunks)
        return f"Resource({self.type_url!r}, {self.name!r}, {self.version!r}, {chunks}, {self.uses!r})"

    @property
    def body(self) -> bytes:
        """The serialised message in one piece, joined on each call."""
        return b"".join(self.chunks)

    @property
    def size(self) -> int:
        """The length of the serialised message in bytes."""
        return sum(map(len, self.chunks))


class ResourceSet(msgspec.Struct, frozen=True):
    """All resources of one Scope, by type and name. `generation` is unique in the process, whatever the scope.

    `changed` holds, by type, the names added, updated or removed since the set of generation `after`. A reader that
    holds another set (it missed some, or comes from another scope) compares versions instead.
    """

    generation: int
    resources: Mapping[str, Mapping[str, Resource]]
    changed: Mapping[str, frozenset[str]]
    after: int

    def of_type(self, type_url: str) -> Mapping[str, Resource]:
        """Return the resources of one type by name; empty for a type that is not served."""
        return self.resources.get(type_url, {})
