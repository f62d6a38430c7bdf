"""The gRPC server: it binds the address, admits callers, and hands admitted calls to the services registered on it.

Everything about sockets, TLS, identity, keepalive and limits is here; services know none of it.
Messages pass through gRPC as bytes in both directions.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import grpc
import msgspec

from mirrorplane.controlplane.grpc_server.call import DISCONNECTED, Call, credentials_of
from mirrorplane.controlplane.grpc_server.open_calls import OpenCalls, client_of
from mirrorplane.controlplane.grpc_server.refusals import REFUSED, FirstMessageTimeoutError, Refusals
from mirrorplane.controlplane.grpc_server.service import Method, Service
from mirrorplane.controlplane.identity.authoriser import Authoriser
from mirrorplane.controlplane.identity.certificates import ServerCertificates, TlsState

_log = logging.getLogger(__name__)


class TransportLimits(msgspec.Struct, frozen=True):
    """How the server treats its connections, whatever service they use. Sizes are bytes, times are seconds.

    `first_message` is how long a call may take to send its first message, and a connection to shake hands.
    `ping_interval` is the shortest keepalive interval a client may use; gRPC's default cuts off any below 5 minutes.
    `max_connection_age` is for callers with certificates: a connection that old accepts no new streams, and keeps those
    it has. Otherwise a proxy with a new certificate would reconnect for ever on the connection of its old one.
    `max_client_calls` is how many one client may have open, on all its connections (see OpenCalls).
    `max_receive` leaves room for 100,000 names of endpoints with the versions that a reconnecting proxy holds.
    """

    first_message: float = 10.0
    reuse_port: bool = False
    ping_interval: float = 1.0
    keepalive: float = 30.0
    keepalive_timeout: float = 10.0
    max_connection_age: float = 60.0
    max_receive: int = 16 << 20
    max_streams: int = 1 << 20
    max_client_calls: int = 1 << 20


class GrpcServer:
    """Services on one address, for example `127.0.0.1:15010` or `unix:/run/xds.sock`. One authoriser serves all."""

    def __init__(
        self,
        address: str,
        services: Sequence[Service],
        authoriser: Authoriser,
        limits: TransportLimits = TransportLimits(),  # noqa: B008 - frozen
        count_refusal: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Read the files that TLS needs. Raises FileProblemError. `count_refusal` is called with one of REASONS."""
        self._address, self._services = address, services
        self._authoriser, self._limits = authoriser, limits
        tls = authoriser.security.tls
        self._certificates = ServerCertificates(tls) if tls else None
        self._refusals = Refusals(count=count_refusal)
        self._open_calls = OpenCalls(limits.max_client_calls)
        self._server: Any = None

    async def start(self) -> int:
        """Bind and serve; return the port. Raises RuntimeError when the address is taken or cannot be bound."""
        # No `compression`: Envoy 1.40 ends a compressed stream (its envoy_grpc client: "gRPC config stream closed:
        # 13").
        server = grpc.aio.server(options=self._channel_options())
        # A method without deserialiser and serialiser carries bytes.
        server.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(
                    service.name,
                    {
                        name: grpc.stream_stream_rpc_method_handler(self._admitted(method))
                        for name, method in service.methods.items()
                    },
                )
                for service in self._services
            )
        )
        port: int = (
            server.add_secure_port(self._address, self._certificates.credentials())
            if self._certificates
            else server.add_insecure_port(self._address)
        )
        await server.start()
        self._server = server
        return port

    def tls_state(self) -> TlsState:
        """Return what is known of the server's TLS; all empty without."""
        return self._certificates.state() if self._certificates else TlsState()

    async def stop(self, grace: float) -> None:
        """Let services end their calls, and close after at most `grace` seconds."""
        for service in self._services:
            service.close()
        if self._server is not None:
            await self._server.stop(grace)

    def _admitted(self, method: Method) -> Callable[[Any, Any], Awaitable[None]]:
        async def serve(_requests: Any, rpc: Any) -> None:
            try:
                await self._serve(method, rpc)
            except DISCONNECTED as error:
                _log.debug("disconnected while a message was sent: %s", rpc.peer())
                # As if gRPC had noticed first. It logs any other end: of an error, or of a status that it cannot send.
                raise asyncio.CancelledError from error

        return serve

    async def _serve(self, method: Method, rpc: Any) -> None:
        try:
            caller = self._authoriser.admit(credentials_of(rpc))
            with self._open_calls.open(client_of(rpc, caller)):
                first_message = await self._first_message(rpc)
                await method(Call(rpc, self._authoriser, caller, first_message))
        except REFUSED as error:
            await self._refusals.refuse(rpc, error)

    async def _first_message(self, rpc: Any) -> Any:
        """Return the first message, or EOF. The read is not cancelled (see Call.read): too late, the call is ended."""
        deadline = asyncio.create_task(self._end_silent(rpc))
        try:
            return await rpc.read()
        finally:
            deadline.cancel()

    async def _end_silent(self, rpc: Any) -> None:
        seconds = self._limits.first_message
        await asyncio.sleep(seconds)
        with suppress(grpc.aio.AbortError, *DISCONNECTED):
            await self._refusals.refuse(
                rpc, FirstMessageTimeoutError(f"no message within {seconds:g} s of opening the stream")
            )

    def _channel_options(self) -> list[tuple[str, int]]:
        limits = self._limits
        by_certificate = self._authoriser.security.by_certificate
        return [
            ("grpc.so_reuseport", int(limits.reuse_port)),
            ("grpc.max_receive_message_length", limits.max_receive),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", limits.max_streams),
            ("grpc.server_handshake_timeout_ms", _ms(limits.first_message)),
            ("grpc.keepalive_time_ms", _ms(limits.keepalive)),
            ("grpc.keepalive_timeout_ms", _ms(limits.keepalive_timeout)),
            ("grpc.keepalive_permit_without_calls", 1),
            # Both are needed: the first alone does not stop gRPC from cutting off an Envoy that pings (seen with 1.40).
            ("grpc.http2.min_recv_ping_interval_without_data_ms", _ms(limits.ping_interval)),
            ("grpc.http2.min_ping_interval_without_data_ms", _ms(limits.ping_interval)),
            # Estimating the bandwidth of what proxies send costs a ping per read, and a fifth of all pushes a second.
            ("grpc.http2.bdp_probe", 0),
            *([("grpc.max_connection_age_ms", _ms(limits.max_connection_age))] if by_certificate else []),
        ]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
