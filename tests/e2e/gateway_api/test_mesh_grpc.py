"""GRPCRoutes of Services through real Envoys: the mesh features (GAMMA) of Gateway API, and mirrors."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest

from mirrorplane.controlplane.playground.manifests import local_pod
from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.support.manifests import NO_ACCESS_LOG, findings, join_manifests, nack_messages, until
from tests.e2e.support.mesh_features import GATEWAY_API, PORT, fields, manifest_yaml, rule_to
from tests.e2e.support.sidecars import Sidecar, sidecar

pytestmark = pytest.mark.envoy

CALLS = 200


class NamedServer(grpc.GenericRpcHandler):
    """A gRPC server that answers each call with its name and the call's metadata, and records the methods."""

    def __init__(self, name: str) -> None:
        self.name, self.port = name, 0
        self.methods: list[str] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def answer(_: bytes, call: grpc.aio.ServicerContext) -> bytes:
            self.methods.append(handler_call_details.method)
            return json.dumps([self.name, dict(call.invocation_metadata())], default=str).encode()

        return grpc.unary_unary_rpc_method_handler(answer)


@asynccontextmanager
async def server(name: str) -> AsyncIterator[NamedServer]:
    grpc_server, handler = grpc.aio.server(), NamedServer(name)
    grpc_server.add_generic_rpc_handlers([handler])
    handler.port = grpc_server.add_insecure_port("127.0.0.1:0")
    await grpc_server.start()
    yield handler
    await grpc_server.stop(None)


def services(workload: NamedServer, *names: str) -> str:
    ports = [{"name": "grpc", "port": PORT}]
    return join_manifests(
        *(manifest_yaml("Service", name, {"ports": ports}, "v1") for name in names),
        *(local_pod(name, name, {"app": name}, workload.port, "grpc") for name in names),
    )


def route(service: str, *rules: Mapping[str, Any], kind: str = "GRPCRoute") -> str:
    parents = [{"group": "", "kind": "Service", "name": service}]
    return manifest_yaml(kind, service, {"parentRefs": parents, "rules": list(rules)}, GATEWAY_API)


class Client:
    """Calls services through a sidecar."""

    def __init__(self, beside: Sidecar) -> None:
        self._beside = beside

    async def call(
        self, host: str, method: str = "/shop.Till/Pay", metadata: Sequence[tuple[str, str]] = ()
    ) -> tuple[str, Mapping[str, str]]:
        """Return the server that answered, or the status; and the metadata that it received."""
        options = [("grpc.default_authority", host)]
        async with grpc.aio.insecure_channel(f"{self._beside.address}:{PORT}", options) as channel:
            try:
                reply = json.loads(await channel.unary_unary(method)(b"", metadata=tuple(metadata), timeout=60))
            except grpc.aio.AioRpcError as error:
                return error.code().name, {}
        return reply[0], reply[1]


@pytest.fixture
async def servers() -> AsyncIterator[dict[str, NamedServer]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(server(name)) for name in ("v1", "v2", "copy")}


FEATURES = {
    "MeshBasic": "test_calls_go_where_routes_of_the_service_say",
    "MeshGRPCRouteRequestHeaderModifier": "test_calls_go_where_routes_of_the_service_say",
    "MeshGRPCRouteWeight": "test_calls_are_split_by_weight",
}
"""The features tested here, by the names of Gateway API."""


def test_every_feature_of_the_profile_has_a_test():
    assert all(name in globals() for name in FEATURES.values())


async def test_calls_go_where_routes_of_the_service_say(stage: Stage, servers: dict[str, NamedServer]):
    v1, v2, copy = servers.values()
    changes = {"set": fields("x-set", "rule"), "add": fields("x-add", "rule"), "remove": ["x-gone"]}
    mirror = {"backendRef": {"name": "copy", "port": PORT}}
    rules = [
        rule_to("v1", matches=[{"method": {"service": "shop.Till", "method": "Pay"}}]),
        rule_to("v2", matches=[{"method": {"service": "shop.Till"}}]),
        rule_to(
            "v1",
            matches=[{"method": {"service": "shop.Copied"}}],
            filters=[{"type": "RequestMirror", "requestMirror": mirror}],
        ),
        rule_to(
            "v2",
            matches=[{"method": {"service": "shop.Changed"}}],
            filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": changes}],
        ),
        {"matches": [{"method": {"service": "shop.Nobody"}}]},
    ]
    grounds = [services(v1, "v1", "plain", "echo"), services(v2, "v2"), services(copy, "copy")]
    await stage.apply(join_manifests(NO_ACCESS_LOG, *grounds, route("echo", *rules)))
    assert not findings(stage)
    client = Client(await sidecar(stage, PORT))
    assert (await client.call("plain"))[0] == "v1"
    assert (await client.call("echo"))[0] == "v1"
    assert (await client.call("echo", "/shop.Till/Refund"))[0] == "v2"
    assert (await client.call("echo", "/shop.Other/Pay"))[0] == "UNIMPLEMENTED"
    assert (await client.call("echo", "/shop.Nobody/Pay"))[0] == "UNAVAILABLE"
    sent = [("x-set", "mine"), ("x-add", "mine"), ("x-gone", "mine")]
    answerer, received = await client.call("echo", "/shop.Changed/Any", sent)
    assert (answerer, received["x-set"], "x-gone" in received) == ("v2", "rule", False)
    assert "rule" in received["x-add"]

    async def copied() -> None:
        while not copy.methods:  # a copy that cannot connect within a second is dropped
            assert (await client.call("echo", "/shop.Copied/Any"))[0] == "v1"
            await asyncio.sleep(0.1)

    await asyncio.wait_for(copied(), 60)
    assert copy.methods[0] == "/shop.Copied/Any"
    await until(lambda: set(copy.methods) == {"/shop.Copied/Any"}, "nothing else was copied")
    assert not nack_messages(stage)


async def test_calls_are_split_by_weight(stage: Stage, servers: dict[str, NamedServer]):
    """Wide bounds: one run in ten million exceeds them."""
    v1, v2, copy = servers.values()
    grounds = [services(v1, "v1", "echo"), services(v2, "v2"), services(copy, "copy")]
    await stage.apply(join_manifests(NO_ACCESS_LOG, *grounds, route("echo", rule_to("v1*7", "v2*3", "copy*0"))))
    client = Client(await sidecar(stage, PORT))
    counts = Counter([(await client.call("echo"))[0] for _ in range(CALLS)])
    assert counts.keys() == {"v1", "v2"}
    assert 105 <= counts["v1"] <= 175


async def test_grpc_routes_take_precedence_over_http_routes_of_the_service(
    stage: Stage, servers: dict[str, NamedServer]
):
    v1, v2, _ = servers.values()
    grounds = [services(v1, "v1", "echo"), services(v2, "v2")]
    await stage.apply(join_manifests(NO_ACCESS_LOG, *grounds, route("echo", rule_to("v2"), kind="HTTPRoute")))
    client = Client(await sidecar(stage, PORT))
    assert (await client.call("echo"))[0] == "v2"
    await stage.apply(route("echo", rule_to("v1")))
    assert (await client.call("echo"))[0] == "v1"
    assert [(f.reason, f.path) for f in findings(stage)] == [("Conflicted", "spec.parentRefs[0]")]
    assert not nack_messages(stage)
