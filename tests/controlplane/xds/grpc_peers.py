"""A feed that a test controls, an xDS server on it, and an xDS client over a real gRPC channel."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import grpc
from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.grpc_server.server import GrpcServer, TransportLimits
from mirrorplane.controlplane.identity.authoriser import Authoriser, Security
from mirrorplane.controlplane.xds.feed import Feed, Offer
from mirrorplane.controlplane.xds.push_order import SERVER_LIMITS, PushLimits
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.controlplane.xds.streams import XdsStreams
from tests.controlplane.xds.resource_worlds import World, first_set, next_set

T = TypeVar("T")

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService"
NODE_ID = "sidecar~10.0.0.7~sleep.default~default.svc.cluster.local"


class Rejection(NamedTuple):
    """A NACK, as a link hears it."""

    proxy_id: str
    type_url: str
    names: tuple[str, ...]
    version: str
    message: str


class TableFeed:
    """Offers one set to everybody and remembers what it hears."""

    def __init__(self, world: World) -> None:
        self.set = first_set(world)
        self.links: list[TableLink] = []
        self.acks: list[tuple[str, str, str]] = []
        self.rejections: list[Rejection] = []
        self.pushes: list[tuple[str, int]] = []
        self.settlings = 0

    @property
    def offers(self) -> list[Offer]:
        """Who is connected."""
        return [link.offer for link in self.links]

    def attach(self, proxy: Proxy, offer: Offer, variant: str, client: str) -> "TableLink":
        link = TableLink(self, proxy, offer, variant)
        self.links.append(link)
        offer(self.set)
        return link

    def checkpoint(self) -> None:
        """What a test offers is short."""

    async def run(self, work: Callable[[], T]) -> T:
        return work()

    def publish(self, world: World) -> None:
        self.publish_set(next_set(self.set, world))

    def publish_set(self, new: ResourceSet) -> None:
        self.set = new
        for offer in self.offers:
            offer(new)


class TableLink:
    """One stream of a TableFeed."""

    def __init__(self, feed: TableFeed, proxy: Proxy, offer: Offer, variant: str) -> None:
        self.feed, self.proxy, self.offer, self.variant = feed, proxy, offer, variant

    def pushed(self, type_url: str, size: int, seconds: float) -> None:
        assert seconds >= 0
        self.feed.pushes.append((type_url, size))

    def acked(self, type_url: str, version: str, rejected: frozenset[str]) -> None:
        self.feed.acks.append((self.proxy.id, type_url, version))

    def rejected(self, type_url: str, names: tuple[str, ...], version: str, message: str) -> None:
        self.feed.rejections.append(Rejection(self.proxy.id, type_url, names, version, message))

    def settled(self) -> None:
        self.feed.settlings += 1

    def leave(self) -> None:
        self.feed.links.remove(self)


class XdsServer:
    """The streams of a feed on a gRPC server, wired as the application does."""

    def __init__(
        self,
        feed: Feed,
        address: str = "127.0.0.1:0",
        *,
        security: Security | None = None,
        push: PushLimits = SERVER_LIMITS,
        **limits,
    ) -> None:
        self.feed, self.authoriser = feed, Authoriser(security or Security())
        self.xds = XdsStreams(feed, push)
        self.grpc_server = GrpcServer(address, self.xds.services, self.authoriser, TransportLimits(**limits))
        self.port = 0

    async def start(self) -> int:
        self.port = await self.grpc_server.start()
        return self.port

    async def stop(self, grace: float) -> None:
        await self.grpc_server.stop(grace)

    def streams(self) -> list[StreamStatus]:
        return list(self.xds.statuses())


class Peer:
    """One stream to the server. `send` fills in the node on the first message."""

    def __init__(
        self, channel: grpc.aio.Channel, method: str, *, delta: bool, node_id: str | None = NODE_ID, metadata=()
    ) -> None:
        self._request, response = (
            (discovery_pb2.DeltaDiscoveryRequest, discovery_pb2.DeltaDiscoveryResponse)
            if delta
            else (discovery_pb2.DiscoveryRequest, discovery_pb2.DiscoveryResponse)
        )
        self._node_id = node_id
        self.call = channel.stream_stream(
            method, request_serializer=self._request.SerializeToString, response_deserializer=response.FromString
        )(metadata=metadata)

    async def send(self, type_url: str = "", error: str | None = None, **fields) -> None:
        request = self._request(type_url=type_url, **fields)
        if self._node_id is not None:
            request.node.id, self._node_id = self._node_id, None
        if error is not None:
            request.error_detail.message = error
        await self.call.write(request)

    async def read(self):
        return await self.call.read()
