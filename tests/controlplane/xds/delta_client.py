"""A delta session as a test speaks to it: short words instead of messages."""

from typing import NamedTuple

from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import DeltaRequest
from tests.controlplane.xds.resource_worlds import SMALL, first_set, next_set


class Response(NamedTuple):
    """A response, as far as these tests look at it."""

    type_url: str
    names: list[str]
    removed: list[str] = []


class Client:
    """A session, spoken to in short words; `ack_all` answers at once."""

    def __init__(self, world=SMALL, *, grace: float = 0.0, most: int = 1000) -> None:
        self.set = first_set(world)
        self.session = DeltaSession(self.set, PushLimits(grace=grace, max_resources=most), now=0.0)
        self.nonce: dict[str, str] = {}

    def request(self, type_url: str, *names: str, leave: tuple[str, ...] = (), initial=None):
        return self.session.receive(DeltaRequest(type_url, names, leave, initial or {}))

    def next(self, now: float = 1.0) -> Response | None:
        message = self.session.next(now)
        if message is None:
            return None
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(message)
        self.nonce[response.type_url] = response.nonce
        names = [entry.name for entry in response.resources]
        return Response(response.type_url, names, list(response.removed_resources))

    def ack(self, type_url: str, error: str | None = None):
        return self.session.receive(DeltaRequest(type_url, nonce=self.nonce[type_url], error=error))

    def ack_all(self, now: float = 1.0) -> list[Response]:
        """ACK every response until none comes; return them."""
        responses = []
        while (response := self.next(now)) is not None:
            responses.append(response)
            self.ack(response.type_url)
        return responses

    def publish(self, world) -> None:
        self.set = next_set(self.set, world)
        self.session.offer(self.set)

    def versions(self, type_url: str) -> dict[str, str]:
        return {name: resource.version for name, resource in self.set.of_type(type_url).items()}


def subscribed_client(world=SMALL, **pace: float) -> Client:
    client = Client(world, **pace)
    client.request(CLUSTER)
    client.request(ENDPOINT, "e1", "e2")
    client.request(LISTENER)
    client.request(ROUTE, "r1")
    client.ack_all()
    return client
