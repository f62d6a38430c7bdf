"""A session and a model proxy with two queues between them, moved one message at a time.

Keeps the promises that must hold after every message: at most one response in flight per type, (unless the proxy
rejected clusters) no route in the proxy that names a cluster it does not hold, and nothing taken from the proxy that
has been in the world all the time.

`blamed` is what the outcomes say of rejected resources, kept as findings are: a NACK adds, an ACK takes back.
"""

from collections import deque

from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import Ack, Nack
from mirrorplane.controlplane.xds.sotw import SotwSession
from tests.controlplane.xds.model_envoy import ORDER, USED, DeltaProxy, SotwProxy
from tests.controlplane.xds.resource_worlds import World, first_set, next_set, resource, uses_of


class Wire:
    def __init__(self, world: World, *, delta: bool, pace: PushLimits) -> None:
        self.delta, self.pace, self.now = delta, pace, 0.0
        self.world, self.set = world, first_set(world)
        self.proxy = DeltaProxy() if delta else SotwProxy()
        self.blamed: dict[str, set[str]] = {}
        self.forgive()
        self.connect(keep=False)

    def forgive(self) -> None:
        """At rest: from here on nothing excuses a route whose cluster is missing, but a listener without its route."""
        self.clusters_in_doubt = False
        self.stuck = self._dangling()
        self.proxy.whims = 0
        self.steady = {type_url: set(items) for type_url, items in self.world.items()}

    def connect(self, *, keep: bool) -> None:
        session = DeltaSession if self.delta else SotwSession
        self.session = session(self.set, self.pace, self.now)
        self.inbox: deque[bytes] = deque()
        self.flying: dict[str, str] = {}
        self.returned = keep
        self.clusters_in_doubt |= keep and not self.delta  # SotW cannot know what a returning proxy still uses
        self.blamed = {type_url: set() for type_url in ORDER}
        self.accepted: set[str] = set()
        self.proxy.connect(keep=keep)

    def publish(self, world: World, *, skipped: int = 0) -> None:
        self.world, self.set = world, next_set(self.set, world, skipped=skipped)
        self.stuck |= self._dangling()
        self.steady = {type_url: names & world.get(type_url, {}).keys() for type_url, names in self.steady.items()}
        self.session.offer(self.set)

    def pull(self) -> bool:
        """Let the server put one response on the wire."""
        message = self.session.next(self.now)
        if message is None:
            return False
        kind = discovery_pb2.DeltaDiscoveryResponse if self.delta else discovery_pb2.DiscoveryResponse
        response = kind.FromString(message)
        assert response.type_url not in self.flying, "two responses of one type in flight"
        self.flying[response.type_url] = response.nonce
        self.inbox.append(message)
        return True

    def deliver_response(self) -> bool:
        if not self.inbox:
            return False
        before = {type_url: set(self.proxy.held[type_url]) for type_url in (CLUSTER, LISTENER)}
        self.proxy.deliver(self.inbox.popleft())
        for type_url, names in () if self.proxy.whims else before.items():
            missing = names - self.proxy.held[type_url].keys()
            assert not missing & self.steady.get(type_url, set()), "what has been there all the time was taken"
        if not self.clusters_in_doubt:
            routes = [body for name, body in self.proxy.held[ROUTE].items() if name not in self.stuck]
            clusters = {cluster for body in routes for cluster in uses_of(body)}
            assert clusters <= self.proxy.held[CLUSTER].keys(), "a route names a cluster the proxy does not hold"
        return True

    def deliver_request(self) -> bool:
        if not self.proxy.outbox:
            return False
        request = self.proxy.outbox.popleft()
        if self.flying.get(request.type_url) == request.nonce:
            del self.flying[request.type_url]
        outcome = self.session.receive(request)
        match outcome:
            case Nack(type_url, names):
                self.blamed[type_url].update(names)
                self.clusters_in_doubt |= type_url == CLUSTER
            case Ack(type_url, _, rejected):
                self.blamed[type_url] &= rejected
                self.accepted.add(type_url)
        return True

    def run(self) -> None:
        """Move messages until nothing moves, without letting time pass."""
        for _ in range(1000):
            if not (self.deliver_request() or self.deliver_response() or self.pull()):
                return
        raise AssertionError("the two never come to rest")

    def bad(self, type_url: str) -> set[str]:
        """The bad resources that the proxy asks for."""
        return {name for name in self.subscribed(type_url) if self.world[type_url][name].bad}

    def blind(self, type_url: str) -> bool:
        """Whether the server cannot leave anything out: it does not know what a returning SotW proxy holds."""
        return not self.delta and type_url not in USED and self.returned and type_url not in self.accepted

    def assert_only_the_bad_is_missing(self) -> None:
        """The proxy holds the newest of all that is not bad, and exactly the bad is blamed."""
        assert not self.flying, f"never answered: {self.flying}"
        for type_url in ORDER:
            if self.blind(type_url):
                continue
            vanished = self.blamed[type_url] - self.world.get(type_url, {}).keys()  # kept for those that may use it
            assert self.blamed[type_url] - vanished == self.bad(type_url)
            want = self._good(type_url)
            resources = self.proxy.held[type_url]
            assert {name: resources.get(name) for name in want} == want

    def assert_converged(self) -> None:
        """The proxy holds exactly what a fresh one would be sent."""
        assert not any(self.blamed[type_url] & self.subscribed(type_url) for type_url in ORDER)
        assert not self.flying, f"never answered: {self.flying}"
        for type_url in ORDER:
            resources, want = self.proxy.held[type_url], self._expected(type_url)
            if type_url == ROUTE and not self.delta:  # SotW has no way to take a route back; Envoy keeps it
                resources = {name: body for name, body in resources.items() if name in want}
            assert resources == want

    def _good(self, type_url: str) -> dict[str, bytes]:
        items = self.world.get(type_url, {})
        names = self.subscribed(type_url) - self.bad(type_url)
        return {name: resource(type_url, name, items[name]).body for name in names}

    def subscribed(self, type_url: str) -> set[str]:
        """What there is of a type that the proxy asks for. (Of what it left, an ACK tells, once there is one.)"""
        names = set(self.world.get(type_url, {}))
        return names & self.proxy.names_in_use(type_url) if type_url in USED else names

    def _dangling(self) -> set[str]:
        """Routes that do not exist although a listener names them: SotW has no way to take them from a proxy."""
        users = () if self.delta else self.world.get(LISTENER, {}).values()
        return {name for item in users for name in item.uses} - self.world.get(ROUTE, {}).keys()

    def _expected(self, type_url: str) -> dict[str, bytes]:
        items = self.world.get(type_url, {})
        existing = {name: resource(type_url, name, item).body for name, item in items.items()}
        if type_url not in USED:
            return existing
        users = self.world.get(USED[type_url], {}).values()
        names = {name for item in users for name in item.uses}
        absent = {} if self.delta or type_url != ENDPOINT else {name: _empty(name) for name in names}
        return absent | {name: body for name, body in existing.items() if name in names}


def _empty(name: str) -> bytes:
    return b"\x0a" + bytes([len(name)]) + name.encode()
