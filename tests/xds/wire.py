"""A session and a model proxy with two queues between them, moved one message at a time.

Keeps the promises that must hold after every message: at most one response in flight per type, and (unless the proxy
rejected clusters) no route in the proxy that names a cluster it does not hold.
"""

from collections import deque

from envoy.service.discovery.v3 import discovery_pb2

from api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from controlplane.xds.delta import DeltaSession
from controlplane.xds.requests import Nack
from controlplane.xds.session import Pace
from controlplane.xds.sotw import SotwSession
from tests.xds.model import ORDER, USED, DeltaProxy, SotwProxy
from tests.xds.worlds import World, first_set, next_set, resource, uses_of


class Wire:
    def __init__(self, world: World, *, delta: bool, pace: Pace) -> None:
        self.delta, self.pace, self.now = delta, pace, 0.0
        self.world, self.set = world, first_set(world)
        self.proxy = DeltaProxy() if delta else SotwProxy()
        self.nacks: dict[str, Nack] = {}
        self.forgive()
        self.connect(keep=False)

    def forgive(self) -> None:
        """At rest: from here on nothing excuses a route whose cluster is missing, but a listener without its route."""
        self.clusters_in_doubt = False
        self.stuck = self._dangling()

    def connect(self, *, keep: bool) -> None:
        session = DeltaSession if self.delta else SotwSession
        self.session = session(self.set, self.pace, self.now)
        self.inbox: deque[bytes] = deque()
        self.flying: dict[str, str] = {}
        self.clusters_in_doubt |= keep and not self.delta  # SotW cannot know what a returning proxy still uses
        self.nacks.clear()
        self.proxy.connect(keep=keep)

    def publish(self, world: World, *, skipped: int = 0) -> None:
        self.world, self.set = world, next_set(self.set, world, skipped=skipped)
        self.stuck |= self._dangling()
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
        self.proxy.deliver(self.inbox.popleft())
        if not self.clusters_in_doubt:
            routes = [body for name, body in self.proxy.held[ROUTE].items() if name not in self.stuck]
            named = {cluster for body in routes for cluster in uses_of(body)}
            assert named <= self.proxy.held[CLUSTER].keys(), "a route names a cluster the proxy does not hold"
        return True

    def deliver_request(self) -> bool:
        if not self.proxy.outbox:
            return False
        request = self.proxy.outbox.popleft()
        if self.flying.get(request.type_url) == request.nonce:
            del self.flying[request.type_url]
        outcome = self.session.receive(request)
        if isinstance(outcome, Nack):
            self.nacks[outcome.type_url] = outcome
            self.clusters_in_doubt |= outcome.type_url == CLUSTER
        return True

    def run(self) -> None:
        """Move messages until nothing moves, without letting time pass."""
        for _ in range(1000):
            if not (self.deliver_request() or self.deliver_response() or self.pull()):
                return
        raise AssertionError("the two never come to rest")

    def assert_converged(self) -> None:
        """The proxy holds exactly what a fresh one would be sent."""
        assert not self.flying, f"never answered: {self.flying}"
        for type_url in ORDER:
            held, want = self.proxy.held[type_url], self._expected(type_url)
            if type_url == ROUTE and not self.delta:  # SotW has no way to take a route back; Envoy keeps it
                held = {name: body for name, body in held.items() if name in want}
            assert held == want

    def _dangling(self) -> set[str]:
        """Routes that do not exist although a listener names them: SotW has no way to take them from a proxy."""
        users = () if self.delta else self.world.get(LISTENER, {}).values()
        return {name for item in users for name in item.uses} - self.world.get(ROUTE, {}).keys()

    def _expected(self, type_url: str) -> dict[str, bytes]:
        items = self.world.get(type_url, {})
        there = {name: resource(type_url, name, item).body for name, item in items.items()}
        if type_url not in USED:
            return there
        users = self.world.get(USED[type_url], {}).values()
        names = {name for item in users for name in item.uses}
        absent = {} if self.delta or type_url != ENDPOINT else {name: _empty(name) for name in names}
        return absent | {name: body for name, body in there.items() if name in names}


def _empty(name: str) -> bytes:
    return b"\x0a" + bytes([len(name)]) + name.encode()
