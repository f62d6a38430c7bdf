"""A real Envoy, the little world it is given, and a backend that says which endpoint answered."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from google.protobuf.message import Message
from xxhash import xxh3_64_hexdigest

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Resource, ResourceSet
from mirrorplane.controlplane.playground.proxy import EnvoyOptions, EnvoyProcess
from tests.controlplane.xds.grpc_peers import NODE_ID

BINARY = Path(sys.executable).parent / "envoy"


def resources(listen: int, live: str, backends: dict[str, int], *, salt: int = 0) -> dict[str, dict[str, Resource]]:
    """A listener on a port, a route to the cluster `live`, and one EDS cluster per backend."""
    listed = [
        _resource(LISTENER, "web", _listener(listen), "main"),
        _resource(ROUTE, "main", _routes(live), live),
        *(_resource(CLUSTER, name, _cluster(name, salt), f"{name}-hosts") for name in backends),
        *(_resource(ENDPOINT, f"{name}-hosts", _hosts(name, port)) for name, port in backends.items()),
    ]
    built: dict[str, dict[str, Resource]] = {}
    for item in listed:
        built.setdefault(item.type_url, {})[item.name] = item
    return built


def set_after(old: ResourceSet | None, built: dict[str, dict[str, Resource]]) -> ResourceSet:
    """The next set; `changed` is left to the reader's own comparison: it follows a set that nobody holds."""
    return ResourceSet(old.generation + 1 if old else 1, built, {}, -1)


@asynccontextmanager
async def backend(answer: str) -> AsyncIterator[int]:
    """Serve HTTP on a port of its own; every answer is the same text."""
    body = f"HTTP/1.1 200 OK\r\ncontent-length: {len(answer)}\r\n\r\n{answer}".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def envoy(xds_port: int, api_type: str) -> AsyncIterator[None]:
    """Run an Envoy whose ADS is on a port. In the end it must have got whatever it waited for.

    Envoy goes on without a resource after 15 s. Its counter shows that on a slow machine too.
    """
    process = EnvoyProcess(_bootstrap(xds_port, api_type), EnvoyOptions(log_level="error"))
    try:
        await process.start()
        yield
        in_vain = {name: value for name, value in (await process.stats("init_fetch_timeout$")).items() if value}
        assert not in_vain, "Envoy waited 15 s for a resource"
    finally:
        await process.stop()


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> tuple[int, ...]:
    """So many different ports that were free just now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return tuple(probe.getsockname()[1] for probe in probes)


def _bootstrap(port: int, api_type: str) -> dict:
    h2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    here = {"ads": {}, "resource_api_version": "V3"}
    backoff = {"base_interval": "0.1s", "max_interval": "0.5s"}
    service = {"envoy_grpc": {"cluster_name": "xds", "retry_policy": {"retry_back_off": backoff}}}
    host = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    options = {"@type": f"type.googleapis.com/{h2}", "explicit_http_config": {"http2_protocol_options": {}}}
    ads = {"api_type": api_type, "transport_api_version": "V3", "set_node_on_first_message_only": True}
    xds = {
        "name": "xds",
        "type": "STATIC",
        "typed_extension_protocol_options": {h2: options},
        "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [host]}]},
    }
    return {
        "node": {"id": NODE_ID, "cluster": "sleep"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"clusters": [xds]},
        "dynamic_resources": {
            "ads_config": {**ads, "grpc_services": [service]},
            "cds_config": here,
            "lds_config": here,
        },
    }


def _resource(type_url: str, name: str, message: Message, *uses: str) -> Resource:
    body = message.SerializeToString(deterministic=True)
    return Resource(type_url, name, xxh3_64_hexdigest(body), (body,), uses)


def _cluster(name: str, salt: int) -> cluster_pb2.Cluster:
    cluster = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    cluster.connect_timeout.seconds = 1 + salt
    cluster.eds_cluster_config.service_name = f"{name}-hosts"
    cluster.eds_cluster_config.eds_config.ads.SetInParent()
    cluster.eds_cluster_config.eds_config.resource_api_version = 2
    return cluster


def _hosts(name: str, port: int) -> endpoint_pb2.ClusterLoadAssignment:
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=f"{name}-hosts")
    address = message.endpoints.add().lb_endpoints.add().endpoint.address.socket_address
    address.address, address.port_value = "127.0.0.1", port
    return message


def _routes(live: str) -> route_pb2.RouteConfiguration:
    routes = route_pb2.RouteConfiguration(name="main")
    route = routes.virtual_hosts.add(name="all", domains=["*"]).routes.add()
    route.match.prefix, route.route.cluster = "/", live
    return routes


def _listener(port: int) -> listener_pb2.Listener:
    web = hcm_pb2.HttpConnectionManager(stat_prefix="web")
    web.rds.route_config_name = "main"
    web.rds.config_source.ads.SetInParent()
    web.rds.config_source.resource_api_version = 2
    web.http_filters.add(name="envoy.filters.http.router").typed_config.Pack(router_pb2.Router())
    listener = listener_pb2.Listener(name="web")
    listener.address.socket_address.address, listener.address.socket_address.port_value = "127.0.0.1", port
    listener.filter_chains.add().filters.add(name="web").typed_config.Pack(web)
    return listener
