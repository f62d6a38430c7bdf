"""A SotW session as a test speaks to it: short words instead of messages."""

from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import SotwRequest
from mirrorplane.controlplane.xds.sotw import SotwSession
from tests.controlplane.xds.resource_worlds import SMALL, first_set, name_of, next_set


class Client:
    """A session, spoken to in short words; `ack_all` answers at once."""

    def __init__(self, world=SMALL, *, grace: float = 0.0, ack_timeout: float = 5.0) -> None:
        self.set = first_set(world)
        self.session = SotwSession(self.set, PushLimits(ack_timeout, grace), now=0.0)
        self.names: dict[str, tuple[str, ...]] = {}
        self.version: dict[str, str] = {}
        self.nonces: dict[str, list[str]] = {}

    def request(self, type_url: str, *names: str, nonce: str = "", version: str = "", error: str | None = None):
        self.names[type_url] = names
        return self.session.receive(SotwRequest(type_url, names, version, nonce, error))

    def next(self, now: float = 1.0) -> discovery_pb2.DiscoveryResponse | None:
        message = self.session.next(now)
        if message is None:
            return None
        response = discovery_pb2.DiscoveryResponse.FromString(message)
        self.nonces.setdefault(response.type_url, []).append(response.nonce)
        return response

    def ack(self, response):
        names = self.names[response.type_url]
        return self.request(response.type_url, *names, nonce=response.nonce, version=response.version_info)

    def nack(self, response, message: str = "bad"):
        return self.request(response.type_url, *self.names[response.type_url], nonce=response.nonce, error=message)

    def ack_all(self, now: float = 1.0) -> list[tuple[str, list[str]]]:
        """ACK every response until none comes; return them as (type, names)."""
        responses = []
        while (response := self.next(now)) is not None:
            responses.append((response.type_url, names_in(response)))
            self.ack(response)
        return responses

    def publish(self, world, *, skipped: int = 0) -> None:
        self.set = next_set(self.set, world, skipped=skipped)
        self.session.offer(self.set)


def names_in(response) -> list[str]:
    if response.type_url == ENDPOINT:
        return [endpoint_pb2.ClusterLoadAssignment.FromString(entry.value).cluster_name for entry in response.resources]
    return [name_of(entry.value) for entry in response.resources]


def subscribed_client(world=SMALL, **pace: float) -> Client:
    """A proxy that has asked for and accepted all of a world."""
    client = Client(world, **pace)
    client.request(CLUSTER)
    client.request(ENDPOINT, "e1", "e2")
    client.request(LISTENER)
    client.request(ROUTE, "r1")
    client.ack_all()
    return client
