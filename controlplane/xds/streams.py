"""The open xDS streams of this process: each admitted call becomes a Stream, beside those of the same proxy.

It knows xDS and no transport.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from mirrorplane.controlplane.grpc_server.call import Call
from mirrorplane.controlplane.grpc_server.refusals import ExhaustedError, InvalidRequestError
from mirrorplane.controlplane.settings import ClientLimits
from mirrorplane.controlplane.xds.feed import Feed, LimitError
from mirrorplane.controlplane.xds.push_order import SERVER_LIMITS, PushLimits
from mirrorplane.controlplane.xds.requests import ProtocolError
from mirrorplane.controlplane.xds.services import DiscoveryService, StreamKind, discovery_services
from mirrorplane.controlplane.xds.shared_responses import SharedResponses
from mirrorplane.controlplane.xds.status import StreamStatus
from mirrorplane.controlplane.xds.stream import DELTA, SOTW, Stream, Variant

_FLAG = "--max-first-message"


class XdsStreams:
    """All xDS streams, and the services that open them."""

    def __init__(
        self, feed: Feed, limits: PushLimits = SERVER_LIMITS, max_first_message: int = ClientLimits().first_message
    ) -> None:
        self._feed, self._limits, self._max_first_message = feed, limits, max_first_message
        self._streams: set[Stream[Any]] = set()
        self._siblings: dict[tuple[str, str], set[Stream[Any]]] = {}
        self._responses = SharedResponses(feed.checkpoint)

    @property
    def services(self) -> tuple[DiscoveryService, ...]:
        """The services to register on the gRPC server."""
        return tuple(discovery_services(self._serve, self.close))

    @property
    def connected(self) -> int:
        """The number of open streams."""
        return len(self._streams)

    def statuses(self) -> Iterator[StreamStatus]:
        """Yield how far each open stream is, for a reader that pauses: streams may begin and end meanwhile."""
        return (stream.status() for stream in tuple(self._streams))

    def close(self) -> None:
        """End every stream, so that proxies go to another replica."""
        for stream in self._streams:
            stream.close()

    async def _serve(self, kind: StreamKind, call: Call) -> None:
        """Serve one stream. Raises RefusedError and InvalidRequestError."""
        try:
            stream = await self._open(kind, call)
            if stream is not None:
                await self._run(stream, call, single_type=bool(kind.type_url))
        except ProtocolError as error:
            raise InvalidRequestError(str(error)) from error
        except LimitError as error:
            raise ExhaustedError(str(error)) from error

    async def _open(self, kind: StreamKind, call: Call) -> Stream[Any] | None:
        """Return the stream that the first message opens, if one comes."""
        variant: Variant[Any] = DELTA if kind.delta else SOTW
        message = await call.read()
        if message is None:
            return None
        if len(message) > self._max_first_message:
            size, limit = len(message), self._max_first_message
            raise ExhaustedError(f"first message of {size} bytes: the limit is {limit} (mirrorplane serve {_FLAG})")
        request = variant.decode_first_request(message)
        request = msgspec.structs.replace(request, proxy=call.authorise(request.proxy))
        return Stream(variant, request, limits=self._limits, type_url=kind.type_url, responses=self._responses)

    async def _run(self, stream: Stream[Any], call: Call, *, single_type: bool) -> None:
        """Serve a stream. One of a `single_type` knows its proxy's others, so that they keep an order together."""
        # By identity too: a node id is only a claim, and must not let one caller hold back another's streams.
        key = stream.proxy.id, stream.proxy.identity
        self._streams.add(stream)
        siblings = self._siblings.setdefault(key, set()) if single_type else set()
        if single_type:
            siblings.add(stream)
            stream.siblings = siblings
        try:
            await stream.run(call, self._feed)
        finally:
            self._streams.discard(stream)
            siblings.discard(stream)
            if single_type and not siblings:
                self._siblings.pop(key, None)
