"""A small model of Envoy as an xDS client, over both protocols, with queues instead of a network.

It does what the protocol depends on: it subscribes endpoints for the clusters and routes for the listeners it holds,
withholds the CDS ACK until every added or changed cluster has had a fresh answer for its endpoints, asks for listeners
only after that, may reject a response with or without having applied it, and comes back with or without its state.

It rejects bad resources as Envoy 1.40 does: one that cannot be decoded keeps it from applying any of the response; of
clusters and listeners it applies the rest, and lists all it could not apply; with endpoints and routes it stops at the
first that is bad, in an order of its own.
"""

from collections import deque

from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.xds.requests import DeltaRequest, SotwRequest
from tests.controlplane.xds.resource_worlds import UNDECODABLE, UNUSABLE, name_of, salt_of, uses_of

USED = {ENDPOINT: CLUSTER, ROUTE: LISTENER}
ORDER = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
LISTS = {
    CLUSTER: ("Error adding/updating cluster(s) ", ", ", ""),
    LISTENER: ("Error adding/updating listener(s) ", "\n", "\n"),
}
"""How Envoy lists what it could not apply: before, between and after."""


class ModelProxy:
    """What both protocols share. `outbox` holds requests on their way to the server."""

    def __init__(self) -> None:
        self.outbox: deque = deque()
        self.reject: dict[str, bool] = {}  # type -> whether the rejected response is applied all the same
        self.whims = 0  # how many responses were rejected although nothing in them is bad
        self.backwards = False  # the order in which endpoints and routes are applied
        self.received: list[str] = []  # the type of every resource that came
        self._forget()
        self._begin()

    def connect(self, *, keep: bool) -> None:
        """Open a new stream, with the state of the old one or as a fresh proxy."""
        if not keep:
            self._forget()
        self._begin()
        self.subscribe(CLUSTER)
        if self.names_in_use(ENDPOINT):
            self.subscribe(ENDPOINT)
        if self.has_clusters:
            self.subscribe(LISTENER)
        if self.names_in_use(ROUTE):
            self.subscribe(ROUTE)

    def deliver(self, message: bytes) -> None:
        type_url, nonce, resources, removed = self.parse(message)
        self.has_clusters |= type_url == CLUSTER
        self.received += [type_url] * len(resources)
        if error := self._complaint(type_url, resources, removed):
            self._reject(type_url, nonce, resources, error)
            return
        self._apply(type_url, resources, removed)
        self.accept(type_url)
        if type_url == CLUSTER:
            self.withheld = nonce
        else:
            self.answer(type_url, nonce)
        self._finish_clusters()

    def names_in_use(self, type_url: str) -> set[str]:
        """The names the proxy asks for, by what it holds."""
        return {name for body in self.held[USED[type_url]].values() for name in uses_of(body)}

    def _complaint(self, type_url: str, resources: dict[str, bytes], removed: set[str]) -> str | None:
        """Say why a response is rejected, having applied of it what Envoy would have."""
        if type_url in self.reject and resources and not removed:
            self.whims += 1
            if self.reject.pop(type_url):
                self._apply_some(type_url, resources, set())
            return "no"
        salts = {name: salt_of(type_url, body) for name, body in resources.items()}
        if UNDECODABLE in salts.values():
            return "Proto constraint validation failed"
        bad = [name for name, salt in salts.items() if salt == UNUSABLE and self._uses(type_url, name)]
        if not bad:
            return None
        if type_url not in LISTS:
            names = sorted(resources, reverse=self.backwards)
            self._apply_some(type_url, {name: resources[name] for name in names[: min(map(names.index, bad))]}, set())
            return "it is bad"
        valid_resources = {name: body for name, body in resources.items() if name not in bad}
        previous = {name: self.held[type_url][name] for name in bad if name in self.held[type_url]}
        self._apply_some(type_url, valid_resources | previous, removed)
        before, between, after = LISTS[type_url]
        return before + between.join(f"{name}: it is bad" for name in bad) + after

    def _uses(self, type_url: str, name: str) -> bool:
        """Whether anything asks for a resource: Envoy does no more than decode any other."""
        return type_url not in USED or name in self.names_in_use(type_url)

    def _apply_some(self, type_url: str, resources: dict[str, bytes], removed: set[str]) -> None:
        changed = {name for name, body in resources.items() if self.held[type_url].get(name) != body}
        self._apply(type_url, resources, removed)
        self.doubt(type_url, changed)

    def _reject(self, type_url: str, nonce: str, resources: dict[str, bytes], error: str) -> None:
        self.answer(type_url, nonce, error=error)
        if type_url == ENDPOINT:
            self.slow_start -= resources.keys()  # A failed fetch ends the warming too.
            self._finish_clusters()
        elif type_url == CLUSTER and LISTENER not in self.subscribed:
            self.subscribe(LISTENER)

    def _begin(self) -> None:
        self.outbox.clear()
        self.subscribed: dict[str, set[str]] = {}
        self.slow_start: set[str] = set()
        self.withheld: str | None = None

    def _forget(self) -> None:
        self.held = {type_url: {} for type_url in ORDER}
        self.has_clusters = False  # whether clusters, be it none, ever came; listeners are asked for after that

    def _finish_clusters(self) -> None:
        if self.withheld is None or self.slow_start:
            return
        self.answer(CLUSTER, self.withheld)
        self.withheld = None
        if LISTENER not in self.subscribed:
            self.subscribe(LISTENER)

    def _apply(self, type_url: str, resources: dict[str, bytes], removed: set[str]) -> None:
        new = self.merged(type_url, resources, removed)
        changed = {name for name, body in new.items() if self.held[type_url].get(name) != body}
        self.held[type_url] = new
        if type_url == CLUSTER:
            needed = {name for cluster in changed for name in uses_of(new[cluster])}
            self.slow_start = (self.slow_start | needed) & self.names_in_use(ENDPOINT)
            self.resubscribe(ENDPOINT, slow_start=needed)
        elif type_url == LISTENER:
            self.resubscribe(ROUTE, slow_start=set())
        elif type_url == ENDPOINT:
            self.slow_start -= resources.keys() | removed

    def resubscribe(self, type_url: str, slow_start: set[str]) -> None:
        names_in_use = self.names_in_use(type_url)
        self.held[type_url] = {name: body for name, body in self.held[type_url].items() if name in names_in_use}
        if names_in_use != self.subscribed.get(type_url, set()) or self.resubscribes(slow_start):
            self.subscribe(type_url)


class SotwProxy(ModelProxy):
    def _begin(self) -> None:
        super()._begin()
        self.nonces: dict[str, str] = {}

    def _forget(self) -> None:
        super()._forget()
        self.versions: dict[str, str] = {}

    def parse(self, message: bytes):
        response = discovery_pb2.DiscoveryResponse.FromString(message)
        bodies = [entry.value for entry in response.resources]
        self._pending = response.version_info
        self.nonces[response.type_url] = response.nonce
        by_name = {self._name(response.type_url, body): body for body in bodies}
        return response.type_url, response.nonce, by_name, set()

    def merged(self, type_url: str, resources: dict[str, bytes], _removed: set[str]) -> dict[str, bytes]:
        if type_url in (CLUSTER, LISTENER):
            return resources
        names_in_use = self.names_in_use(type_url)
        return self.held[type_url] | {name: body for name, body in resources.items() if name in names_in_use}

    def resubscribes(self, slow_start: set[str]) -> bool:
        return bool(slow_start)

    def accept(self, type_url: str) -> None:
        self.versions[type_url] = self._pending

    def doubt(self, type_url: str, names) -> None:
        """The version stays that of the last response that was accepted."""

    def subscribe(self, type_url: str) -> None:
        self.answer(type_url, self.nonces.get(type_url, ""))

    def answer(self, type_url: str, nonce: str, error: str | None = None) -> None:
        names = self.names_in_use(type_url) if type_url in USED else set()
        self.subscribed[type_url] = names
        version = self.versions.get(type_url, "")
        self.outbox.append(SotwRequest(type_url, tuple(names), version, nonce, error))

    def _name(self, type_url: str, body: bytes) -> str:
        if type_url == ENDPOINT:
            return endpoint_pb2.ClusterLoadAssignment.FromString(body).cluster_name
        return name_of(body)


class DeltaProxy(ModelProxy):
    def _forget(self) -> None:
        super()._forget()
        self.versions: dict[str, dict[str, str]] = {type_url: {} for type_url in ORDER}

    def parse(self, message: bytes):
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(message)
        self._pending = {entry.name: entry.version for entry in response.resources}
        by_name = {entry.name: entry.resource.value for entry in response.resources}
        return response.type_url, response.nonce, by_name, set(response.removed_resources)

    def merged(self, type_url: str, resources: dict[str, bytes], removed: set[str]) -> dict[str, bytes]:
        merged = self.held[type_url] | resources
        names = self.names_in_use(type_url) if type_url in USED else merged.keys()
        return {name: body for name, body in merged.items() if name in names and name not in removed}

    def resubscribes(self, _warming: set[str]) -> bool:
        return False

    def accept(self, type_url: str) -> None:
        self.versions[type_url].update(self._pending)

    def doubt(self, type_url: str, names) -> None:
        for name in names:
            self.versions[type_url].pop(name, None)

    def subscribe(self, type_url: str) -> None:
        names = self.names_in_use(type_url) if type_url in USED else set()
        before = self.subscribed.get(type_url)
        self.subscribed[type_url] = names
        resources_held = self.held[type_url]
        initial = {n: v for n, v in self.versions[type_url].items() if n in resources_held} if before is None else {}
        added, removed_names = names - (before or set()), (before or set()) - names
        self.outbox.append(DeltaRequest(type_url, tuple(added), tuple(removed_names), initial))

    def answer(self, type_url: str, nonce: str, error: str | None = None) -> None:
        self.outbox.append(DeltaRequest(type_url, nonce=nonce, error=error))
