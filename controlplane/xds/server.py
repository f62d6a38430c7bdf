"""The gRPC server: it binds the address, routes each method to a stream, and knows which streams are open.

Separate from the stream so that everything about sockets, keepalive and limits is in one place. Messages pass through
gRPC as bytes in both directions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any

import grpc
import msgspec

from mirrorplane.controlplane.identity.authoriser import Authoriser, Security, credentials
from mirrorplane.controlplane.identity.caller import Caller
from mirrorplane.controlplane.xds.decode import Hello
from mirrorplane.controlplane.xds.feed import Feed
from mirrorplane.controlplane.xds.push_order import SERVER_LIMITS, PushLimits
from mirrorplane.controlplane.xds.refusals import REFUSED, Refusals, SilentError
from mirrorplane.controlplane.xds.services import Method, methods
from mirrorplane.controlplane.xds.shared_responses import SharedResponses
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.controlplane.xds.stream import DELTA, SOTW, Stream, Variant


class ServerOptions(msgspec.Struct, frozen=True):
    """How the server treats its peers. Sizes are bytes, times are seconds.

    `max_connection_age` is for callers who show certificates: a connection that old takes no new streams, and goes on
    with those it has. Else a proxy with a new certificate would come back for ever on the connection of its old one.
    `max_receive` leaves room for a proxy that comes back and names all it holds: 3 MiB at 8,000 services.
    `ping_interval` is the shortest keepalive interval an Envoy may use; gRPC's default cuts off any below 5 minutes.
    `first_message` is how long a stream may take to say who it is, and a connection to shake hands.
    """

    pace: PushLimits = SERVER_LIMITS
    security: Security = Security()
    first_message: float = 10.0
    reuse_port: bool = False
    ping_interval: float = 1.0
    keepalive: float = 30.0
    keepalive_timeout: float = 10.0
    max_connection_age: float = 60.0
    max_receive: int = 64 << 20
    max_streams: int = 1 << 20


class XdsServer:
    """An xDS server on one address, for example `127.0.0.1:15010` or `unix:/run/xds.sock`."""

    def __init__(self, feed: Feed, address: str, options: ServerOptions = ServerOptions()) -> None:  # noqa: B008 - frozen
        """Read the files that security rests on. Raises FileProblemError."""
        self._feed = feed
        self._address = address
        self._options = options
        self._authoriser = Authoriser(options.security)
        self._credentials = credentials(options.security)
        self._streams: set[Stream[Any]] = set()
        self._beside: dict[tuple[str, str], set[Stream[Any]]] = {}
        self._shared = SharedResponses(feed.checkpoint)
        self._refusals = Refusals()
        self._server: Any = None

    async def start(self) -> int:
        """Bind and serve; return the port. Raises RuntimeError when the address is taken or cannot be bound."""
        server = grpc.aio.server(options=_channel_options(self._options))
        server.add_generic_rpc_handlers(self._handlers())
        port: int = (
            server.add_secure_port(self._address, self._credentials)
            if self._credentials
            else server.add_insecure_port(self._address)
        )
        await server.start()
        self._server = server
        return port

    async def stop(self, grace: float) -> None:
        """End every stream, so that proxies go to another replica, and close after at most `grace` seconds."""
        for stream in self._streams:
            stream.close()
        if self._server is not None:
            await self._server.stop(grace)

    @property
    def connected(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def streams(self) -> list[StreamStatus]:
        """Return how every open stream stands."""
        return list(self.statuses())

    def statuses(self) -> Iterator[StreamStatus]:
        """Yield the same one by one: streams may come and go meanwhile."""
        return (stream.status() for stream in tuple(self._streams))

    def _handlers(self) -> tuple[Any, ...]:
        """Return one generic handler per service; a method without deserialiser and serialiser carries bytes."""
        return tuple(
            grpc.method_handlers_generic_handler(
                service,
                {method.name: grpc.stream_stream_rpc_method_handler(self._serve(method)) for method in of_service},
            )
            for service, of_service in groupby(methods(), key=lambda method: method.service)
        )

    def _serve(self, method: Method) -> Callable[[Any, Any], Awaitable[None]]:
        variant: Variant[Any] = DELTA if method.delta else SOTW

        async def serve(_requests: Any, rpc: Any) -> None:
            try:
                await self._admitted(variant, method, rpc)
            except REFUSED as error:
                await self._refusals.refuse(rpc, error)

        return serve

    async def _admitted(self, variant: Variant[Any], method: Method, rpc: Any) -> None:
        """Serve one stream. Raises one of the errors of REFUSED."""
        caller = self._authoriser.admit(rpc)
        stream = await self._greeted(variant, method, rpc, caller)
        if stream is not None:
            confirmed = Confirmed(rpc, lambda: self._authoriser.confirm(caller))
            await self._run(stream, confirmed, of_many=bool(method.type_url))

    async def _greeted(
        self, variant: Variant[Any], method: Method, rpc: Any, caller: Caller | None
    ) -> Stream[Any] | None:
        """Return the stream that the first message begins, if one comes."""
        hello = await self._hello(variant, rpc)
        if hello is None:
            return None
        hello = msgspec.structs.replace(hello, proxy=self._authoriser.allow(caller, hello.proxy))
        return Stream(variant, hello, limits=self._options.pace, type_url=method.type_url, shared=self._shared)

    async def _hello(self, variant: Variant[Any], rpc: Any) -> Hello[Any] | None:
        """Read the first message. The read is left alone (see stream): when it takes too long, the whole call ends."""
        giving_up = asyncio.create_task(self._give_up(rpc))
        try:
            message = await rpc.read()
        finally:
            giving_up.cancel()
        return None if message is grpc.aio.EOF else variant.decode_hello(message)

    async def _give_up(self, rpc: Any) -> None:
        await asyncio.sleep(self._options.first_message)
        with suppress(grpc.aio.AbortError):
            await self._refusals.refuse(rpc, SilentError("a stream begins with a request: none came"))

    async def _run(self, stream: Stream[Any], rpc: "Confirmed", *, of_many: bool) -> None:
        """Serve a stream; one `of_many` of its proxy knows the others, so that they keep an order together."""
        key = stream.proxy.id, stream.proxy.identity
        self._streams.add(stream)
        beside = self._beside.setdefault(key, set()) if of_many else set()
        if of_many:
            beside.add(stream)
            stream.siblings = beside
        try:
            await stream.run(rpc, self._feed)
        finally:
            self._streams.discard(stream)
            beside.discard(stream)
            if of_many and not beside:
                self._beside.pop(key, None)


class Confirmed:
    """An RPC whose every message is taken only while what its caller proved still holds."""

    def __init__(self, rpc: Any, confirm: Callable[[], None]) -> None:
        self._rpc, self._confirm = rpc, confirm

    async def read(self) -> Any:
        """Return the next message, or EOF. Raises RefusedError."""
        message = await self._rpc.read()
        self._confirm()
        return message

    async def write(self, message: bytes) -> None:
        """Send a message. Raises RefusedError."""
        self._confirm()
        await self._rpc.write(message)


def _channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", int(options.reuse_port)),
        ("grpc.max_receive_message_length", options.max_receive),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", options.max_streams),
        ("grpc.server_handshake_timeout_ms", _ms(options.first_message)),
        ("grpc.keepalive_time_ms", _ms(options.keepalive)),
        ("grpc.keepalive_timeout_ms", _ms(options.keepalive_timeout)),
        ("grpc.keepalive_permit_without_calls", 1),
        # Both are needed: the first alone does not stop gRPC from cutting off an Envoy that pings (seen with 1.40).
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _ms(options.ping_interval)),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(options.ping_interval)),
        # Estimating the bandwidth of what proxies send costs a ping per read, and a fifth of all pushes a second.
        ("grpc.http2.bdp_probe", 0),
        *([("grpc.max_connection_age_ms", _ms(options.max_connection_age))] if _by_certificate(options) else []),
    ]


def _by_certificate(options: ServerOptions) -> bool:
    tls = options.security.tls
    return tls is not None and tls.client_ca is not None


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
