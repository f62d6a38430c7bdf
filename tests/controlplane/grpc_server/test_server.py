"""Any service on the gRPC server: admitted calls only, and all four shapes of methods."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import grpc
import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.grpc_server.call import Call
from mirrorplane.controlplane.grpc_server.refusals import InvalidRequestError
from mirrorplane.controlplane.grpc_server.server import GrpcServer
from mirrorplane.controlplane.grpc_server.service import Method
from mirrorplane.controlplane.identity.authoriser import Authoriser, Security
from mirrorplane.controlplane.identity.tokens import TokenRules
from tests.controlplane.identity.issuers import Signer


class Echo:
    """A service such as OTLP (unary), access logs (client-streaming) and load reports (both ways) will be."""

    name = "test.Echo"

    def __init__(self) -> None:
        self.methods: Mapping[str, Method] = {"Export": self.export, "Collect": self.collect, "Chat": self.chat}
        self.closed = asyncio.Event()

    async def export(self, call: Call) -> None:
        message = await call.read()
        if message == b"invalid":
            raise InvalidRequestError("not what an exporter sends")
        namespace = call.caller.namespace if call.caller else "anyone"
        await call.write(b"%b from %b" % (message, namespace.encode()))

    async def collect(self, call: Call) -> None:
        messages = []
        while (message := await call.read()) is not None:
            messages.append(message)
        await call.write(b",".join(messages))

    async def chat(self, call: Call) -> None:
        while (message := await call.read()) is not None:
            await call.write(message)
        await self.closed.wait()

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    server = GrpcServer("127.0.0.1:0", [Echo()], Authoriser())
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(grace=1.0)


async def test_a_unary_method_is_served(channel: grpc.aio.Channel):
    assert await channel.unary_unary("/test.Echo/Export")(b"metrics") == b"metrics from anyone"


async def test_a_client_streaming_method_is_served(channel: grpc.aio.Channel):
    assert await channel.stream_unary("/test.Echo/Collect")(iter([b"a", b"b"])) == b"a,b"
    assert await channel.stream_unary("/test.Echo/Collect")(iter([])) == b"", "a stream may end before any message"


async def test_an_invalid_request_is_refused_with_a_sentence(channel: grpc.aio.Channel):
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await channel.unary_unary("/test.Echo/Export")(b"invalid")
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.value.details() == "not what an exporter sends"


async def test_a_service_ends_its_calls_when_the_server_stops():
    server = GrpcServer("127.0.0.1:0", [Echo()], Authoriser())
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream("/test.Echo/Chat")()
        await call.write(b"hello")
        assert await call.read() == b"hello"
        await call.done_writing()
        await server.stop(grace=10.0)
        assert await call.code() is grpc.StatusCode.OK


async def test_every_service_is_behind_the_same_authoriser(tmp_path):
    signer = Signer(tmp_path)
    server = GrpcServer("127.0.0.1:0", [Echo()], Authoriser(Security(tokens=TokenRules(signer.file))))
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = channel.unary_unary("/test.Echo/Export")
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await export(b"metrics")
        assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert await export(b"metrics", metadata=[("authorization", f"Bearer {signer.token()}")]) == (
            b"metrics from default"
        )
    await server.stop(grace=1.0)


async def test_a_call_claims_no_proxy_of_another_namespace(tmp_path):
    claims: list[str] = []

    class Claiming(Echo):
        async def export(self, call: Call) -> None:
            proxy = Proxy("sidecar", "sleep", (await call.read()).decode())
            claims.append(call.authorise(proxy).identity)
            await call.write(b"")

    signer = Signer(tmp_path)
    server = GrpcServer("127.0.0.1:0", [Claiming()], Authoriser(Security(tokens=TokenRules(signer.file))))
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = channel.unary_unary("/test.Echo/Export")
        metadata = [("authorization", f"Bearer {signer.token()}")]
        await export(b"default", metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await export(b"other", metadata=metadata)
    assert refusal.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert claims == ["spiffe://cluster.local/ns/default/sa/sleep"]
    await server.stop(grace=1.0)
