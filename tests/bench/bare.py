"""An xDS server without a control plane: what the transport and the proxy cost alone.

It knows no subscriptions and no order. Its responses are built before the clock starts; of requests it only reads the
nonce.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import Resource, ResourceSet
from mirrorplane.controlplane.xds.frames import delta_response, sotw_response

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHODS = {"DeltaAggregatedResources": True, "StreamAggregatedResources": False}
VERSION = "0" * 32
Heard = Callable[[str], None]


class BareServer:
    """Answers first requests from a set, pushes bytes to every stream, and reports each acknowledged nonce."""

    def __init__(self, resources: ResourceSet, heard: Heard) -> None:
        self.resources, self.heard = resources, heard
        self.rejections: list[str] = []
        self._outboxes: list[asyncio.Queue[bytes | None]] = []
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.http2.bdp_probe", 0)])

    async def start(self) -> int:
        handlers = {name: grpc.stream_stream_rpc_method_handler(self._method(delta)) for name, delta in METHODS.items()}
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        port: int = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return port

    async def stop(self) -> None:
        for outbox in self._outboxes:
            outbox.put_nowait(None)
        await self._server.stop(1.0)

    def push(self, message: bytes) -> float:
        """Send bytes to every stream; returns when that began."""
        started = time.perf_counter()
        for outbox in self._outboxes:
            outbox.put_nowait(message)
        return started

    def _method(self, delta: bool) -> Callable[[Any, Any], Any]:
        async def serve(_requests: Any, rpc: Any) -> None:
            outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
            self._outboxes.append(outbox)
            reader = asyncio.create_task(self._read(rpc, outbox, delta=delta))
            try:
                while (message := await outbox.get()) is not None:
                    await rpc.write(message)
            finally:
                reader.cancel()
                self._outboxes.remove(outbox)

        return serve

    async def _read(self, rpc: Any, outbox: asyncio.Queue[bytes | None], *, delta: bool) -> None:
        kind = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
        while (message := await rpc.read()) is not grpc.aio.EOF:
            request = kind.FromString(message)
            if request.HasField("error_detail"):
                self.rejections.append(request.error_detail.message)
            if request.response_nonce:
                self.heard(request.response_nonce)
            names = request.resource_names_subscribe if delta else request.resource_names
            if names or not request.response_nonce:
                by_name = self.resources.of_type(request.type_url)
                resources = [by_name[name] for name in names if name in by_name] if names else list(by_name.values())
                outbox.put_nowait(response(request.type_url, "first", resources, delta=delta))
        outbox.put_nowait(None)


def response(type_url: str, nonce: str, resources: list[Resource], *, delta: bool) -> bytes:
    """The bytes the real server would send, but for the version."""
    if delta:
        return delta_response(type_url, VERSION, nonce, resources, ())
    return sotw_response(type_url, VERSION, nonce, resources)
