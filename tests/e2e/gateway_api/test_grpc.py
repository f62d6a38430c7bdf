"""GRPCRoutes through a real Envoy: responses to gRPC clients, and calls at backends and mirrors."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import grpc
import msgspec
import pytest

from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.gateway_api.test_gateway import LABELS, WEB, edge_gateway, gateway_api_object, mirror
from tests.e2e.support.edge_router import Router, router
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, until

pytestmark = pytest.mark.envoy

HTTP = 18080
CALLS = 200


class Speaker(grpc.GenericRpcHandler):
    """A gRPC server that answers each message of any method with its name, and records calls and messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.messages: list[bytes] = []

    async def __aenter__(self) -> "Speaker":
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers([self])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def answer(messages: Any, context: Any) -> Any:
            self.calls.append((details.method, dict(context.invocation_metadata())))
            async for message in messages:
                self.messages.append(message)
                yield f"{self.name} {message.decode()}".encode()

        return grpc.stream_stream_rpc_method_handler(answer)


class World(msgspec.Struct, frozen=True):
    """A router and three servers behind Services whose ports are named http."""

    stage: Stage
    router: Router
    channel: grpc.aio.Channel
    speaker_one: Speaker
    speaker_two: Speaker
    copy: Speaker

    async def show(self, *rules: Mapping[str, Any]) -> None:
        """Replace the GRPCRoute."""
        spec = {"parentRefs": [{"name": "edge"}], "hostnames": [WEB], "rules": list(rules)}
        await self.stage.apply(gateway_api_object("GRPCRoute", "calls", spec))

    async def call(self, method: str, *messages: bytes, metadata: Mapping[str, str] | None = None) -> str:
        """The answering server, or the status. Without messages it is unary, as grpcio fails if a stream ends early."""
        pairs = tuple((metadata or {}).items())
        try:
            if not messages:
                return bytes(await self.channel.unary_unary(method)(b"m", metadata=pairs)).decode()
            replies = self.channel.stream_stream(method)(iter(messages), metadata=pairs)
            return b",".join([answer async for answer in replies]).decode()
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)


def rule(method: Mapping[str, str], *backends: str, **more: Any) -> dict[str, Any]:
    """A rule for a service and a method; a backend is a name, or `name*weight`."""
    refs = [{"name": n, "port": 80, "weight": int(w or 1)} for n, _, w in (b.partition("*") for b in backends)]
    return {"matches": [{"method": method}] if method else [], "backendRefs": refs, **more}


@pytest.fixture
async def world(stage: Stage) -> AsyncIterator[World]:
    """Three servers behind Services without an appProtocol for HTTP/2."""
    async with AsyncExitStack() as stack:
        speakers = [await stack.enter_async_context(Speaker(name)) for name in ("one", "two", "copy")]
        listener = {"name": "http", "port": HTTP, "protocol": "HTTP"}
        pods = [
            join_manifests(service(s.name, 80), local_pod(s.name, s.name, {"app": s.name}, s.port)) for s in speakers
        ]
        await stage.apply(join_manifests(NO_ACCESS_LOG, edge_gateway(listener), *pods))
        edge_router = await router(stage, HTTP, labels=LABELS)
        channel = grpc.aio.insecure_channel(f"{edge_router.address}:{HTTP}", [("grpc.default_authority", WEB)])
        await stack.enter_async_context(channel)
        yield World(stage, edge_router, channel, *speakers)
        assert not nack_messages(stage)


async def test_calls_are_routed_by_service_and_method(world: World):
    added = {"set": [{"name": "x-set", "value": "1"}], "remove": ["x-gone"]}
    await world.show(
        rule({"service": "a.Echo", "method": "Say"}, "one"),
        rule({"service": "a.Echo"}, "two"),
        rule({"method": "Say"}, "two"),
        rule({"service": "h.H"}, "one", filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": added}]),
    )
    assert await world.call("/a.Echo/Say", b"x", b"y") == "one x,one y"
    assert await world.call("/a.Echo/Hear") == "two m"
    assert await world.call("/b.Echo/Say") == "two m"
    assert await world.call("/b.Echo/Hear") == "UNIMPLEMENTED"
    assert await world.call("/h.H/H", metadata={"x-gone": "1", "x-kept": "1"}) == "one m"
    method, headers = world.speaker_one.calls[-1]
    assert (method, headers["x-set"], headers["x-kept"]) == ("/h.H/H", "1", "1")
    assert "x-gone" not in headers


async def test_the_share_of_a_missing_backend_is_unavailable(world: World):
    nobody = {"type": "ExtensionRef", "extensionRef": {"group": "example.com", "kind": "Sieve", "name": "fine"}}
    await world.show(
        rule({"service": "w.W"}, "one*3", "two*1", "copy*0"),
        rule({"service": "p.P"}, "one", "missing"),
        rule({"service": "m.M"}, "missing"),
        rule({"service": "n.N"}),
        rule({"service": "f.F"}, "one", filters=[nobody]),
    )
    for service_name in ("m.M", "n.N", "f.F"):
        assert await world.call(f"/{service_name}/X") == "UNAVAILABLE"
    counts = Counter([await world.call("/w.W/X") for _ in range(CALLS)])
    assert set(counts) == {"one m", "two m"}
    assert 110 <= counts["one m"] <= 185
    counts = Counter([await world.call("/p.P/X") for _ in range(CALLS)])
    assert set(counts) == {"one m", "UNAVAILABLE"}
    assert 65 <= counts["UNAVAILABLE"] <= 135


async def test_calls_are_mirrored_message_by_message(world: World):
    await world.show(rule({}, "one", filters=[mirror("copy"), mirror("missing"), mirror("two", percent=0)]))
    assert await world.call("/a.A/A", b"x", b"y") == "one x,one y"
    await until(lambda: world.copy.messages == [b"x", b"y"], "both messages were copied")
    assert [method for method, _ in world.copy.calls] == ["/a.A/A"]
    assert world.copy.calls[0][1]["x-envoy-internal"] == "true"
    assert world.speaker_two.calls == []
