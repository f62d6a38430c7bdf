"""One xDS stream: the asyncio around a session. A reader task feeds it requests, the stream's own task writes.

Separate from the session so that the protocol knows no I/O, and from the server so that one stream fits on a page.
Reads are never wrapped in a timeout, nor cancelled while the stream lives: that loses messages (grpc/grpc#43360).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Set
from typing import Any, Generic, TypeVar

import msgspec

from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.grpc_server.call import Call
from mirrorplane.controlplane.xds import decode
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.feed import Feed, Link
from mirrorplane.controlplane.xds.push_order import PushLimits, PushOrder, Siblings
from mirrorplane.controlplane.xds.requests import Ack, DeltaRequest, Nack, Outcome, ProtocolError, SotwRequest, Unserved
from mirrorplane.controlplane.xds.session import Session
from mirrorplane.controlplane.xds.shared_responses import SharedResponses
from mirrorplane.controlplane.xds.sotw import SotwSession
from mirrorplane.controlplane.xds.status import StreamStatus, shortened

_log = logging.getLogger(__name__)

R = TypeVar("R", SotwRequest, DeltaRequest)

_FEW_NAMES = 1000
"""How many names a request may have to be handled at once: about 5 ms. Larger ones let others have their turn."""


class Variant(msgspec.Struct, Generic[R], frozen=True):
    """A protocol variant: how its messages are decoded and which session understands them."""

    name: str
    decode_first_request: Callable[[bytes], decode.FirstRequest[R]]
    decode_request: Callable[[bytes], R]
    session: Callable[[ResourceSet, PushLimits, float, SharedResponses, Siblings], Session[R]]


SOTW = Variant("sotw", decode.first_sotw_request, decode.sotw_request, SotwSession)
DELTA = Variant("delta", decode.first_delta_request, decode.delta_request, DeltaSession)


class Stream(Generic[R]):
    """One connected stream. `type_url` is the only type it may speak of, or empty for ADS.

    `siblings` are the other streams of a proxy that opens one per type (decision 0045); XdsStreams sets it.
    """

    def __init__(
        self,
        variant: Variant[R],
        opening: decode.FirstRequest[R],
        *,
        limits: PushLimits,
        type_url: str,
        responses: SharedResponses,
    ) -> None:
        self.proxy = opening.proxy
        self.siblings: Set[Stream[Any]] = frozenset()
        self._variant: Variant[R] = variant
        self._first_request: R | None = opening.request
        self._limits = limits
        self._type_url = type_url
        self._responses = responses
        self._session: Session[R] | None = None
        self._offered: asyncio.Event | None = asyncio.Event()
        self._wake = asyncio.Event()
        self._closed = False
        self._receiving = False
        self._set_meanwhile: ResourceSet | None = None
        self._since = time.time()
        self._unsettled = False

    async def run(self, call: Call, feed: Feed) -> None:
        """Serve until the proxy or `close` ends the stream. Raises ProtocolError for an invalid request, LimitError."""
        name = f"{self.proxy.id} ({self._variant.name})"
        log_fields = {"proxy": self.proxy.id, "identity": self.proxy.identity, "variant": self._variant.name}
        link = feed.attach(self.proxy, self.offer, self._variant.name, call.client)
        _log.info("connected: %s", name, extra={"fields": log_fields})
        reader = asyncio.create_task(self._read(call, link, feed), name=f"xds reader of {name}")
        ended_by: BaseException | None = None
        try:
            await self._write(call, link)
        except BaseException as error:
            ended_by = error
            raise
        finally:
            link.leave()
            reason = _end_reason(reader, ended_by)
            reader.cancel()
            _log.info("disconnected: %s: %s", name, reason, extra={"fields": {**log_fields, "reason": reason}})
        if reader.done():  # it ended the stream: raise what it did not like of a request
            reader.result()

    def offer(self, resources: ResourceSet) -> None:
        """Serve a newer set from now on."""
        if self._session is None:
            now = time.monotonic()
            self._session = self._variant.session(resources, self._limits, now, self._responses, self._sibling_orders)
            if self._offered:
                self._offered.set()
        elif self._receiving:
            self._set_meanwhile = resources
        else:
            self._session.offer(resources)
        self._unsettled = True
        self._wake.set()
        self._wake_siblings()

    def close(self) -> None:
        """End the stream after the message that is being written."""
        self._closed = True
        self._wake.set()
        self._wake_siblings()

    @property
    def push_order(self) -> PushOrder | None:
        """The order of this stream's types, once there is a set."""
        return self._session.push_order if self._session else None

    def wake(self) -> None:
        """Check again whether something can be sent."""
        self._wake.set()

    def status(self) -> StreamStatus:
        """Return how far the stream is."""
        types = self._session.status() if self._session else ()
        return StreamStatus(self.proxy, self._variant.name, self._since, types)

    async def _read(self, call: Call, link: Link, feed: Feed) -> None:
        """Handle requests until the proxy half-closes. None is read before the first set, so none has to be kept."""
        try:
            await self._wait_for_set()
            request, self._first_request = self._first_request, None  # may be megabytes, and streams live long
            assert request is not None
            await self._receive(request, link, feed)
            del request
            while (message := await call.read()) is not None:
                await self._receive(self._variant.decode_request(message), link, feed)
        finally:
            self.close()

    async def _wait_for_set(self) -> None:
        """Wait for the first set, then drop the event: it is large for something used once per stream."""
        if self._offered and self._session is None:
            await self._offered.wait()
        self._offered = None

    async def _write(self, call: Call, link: Link) -> None:
        while not self._closed:
            await self._responses.scheduler.wait_turn()
            self._wake.clear()
            now = time.monotonic()
            session = None if self._receiving else self._session
            response = session.next(now) if session else None
            if session is None or response is None:
                self._report_settled(link)
                await self._sleep(now)
                continue
            self._unsettled = True
            # Waits while the proxy does not read (HTTP/2 flow control): a slow proxy holds back only its own stream.
            await call.write(response)
            link.pushed(session.pushed, len(response), time.monotonic() - now)

    def _report_settled(self, link: Link) -> None:
        """Report once that the proxy has answered everything, when it has."""
        if self._unsettled and self._session and self._session.settled and not self._receiving:
            self._unsettled = False
            link.settled()

    async def _sleep(self, now: float) -> None:
        """Sleep until something happens, or until time alone makes something due."""
        moment = self._session.wake_at(now) if self._session else None
        if moment is None:
            await self._wake.wait()
            return
        timer = asyncio.get_running_loop().call_later(moment - now, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _receive(self, request: R, link: Link, feed: Feed) -> None:
        assert self._session is not None
        request = self._with_type(request)
        if request.name_count <= _FEW_NAMES:
            outcome = self._session.receive(request)
        else:
            outcome = await self._receive_many(self._session, request, feed)
        if outcome:
            self._report(outcome, link)
        self._wake_siblings()
        if self._session.idle:  # as after most ACKs: waking the writer would cost a task switch for nothing
            self._report_settled(link)
        else:
            self._wake.set()

    async def _receive_many(self, session: Session[R], request: R, feed: Feed) -> Outcome | None:
        """Handle a request of many names in slices. Until it is done nothing is sent, and the newest set waits."""
        self._receiving = True
        try:
            return await feed.run(lambda: session.receive(request))
        finally:
            self._receiving = False
            if self._set_meanwhile is not None:
                session.offer(self._set_meanwhile)
                self._set_meanwhile = None

    def _sibling_orders(self) -> Iterator[PushOrder]:
        return (order for stream in self.siblings if stream is not self and (order := stream.push_order))

    def _wake_siblings(self) -> None:
        """Let the other streams of the proxy check again: they may have waited for this one."""
        for stream in self.siblings:
            stream.wake()

    def _with_type(self, request: R) -> R:
        """Return a request with its type, which one to a single-type service may leave out."""
        if request.type_url and request.type_url != (self._type_url or request.type_url):
            raise ProtocolError(f"type_url {request.type_url!r} on a stream of {self._type_url}")
        if not (request.type_url or self._type_url):
            raise ProtocolError("type_url is missing: a request on an aggregated stream (ADS) needs it")
        return request if request.type_url else msgspec.structs.replace(request, type_url=self._type_url)

    def _report(self, outcome: Outcome, link: Link) -> None:
        match outcome:
            case Ack(type_url, version, rejected):
                link.acked(type_url, version, rejected)
            case Nack(type_url, names, version, message):
                nack_message = shortened(message)
                rejection = {"proxy": self.proxy.id, "type": type_url, "version": version, "error": nack_message}
                _log.warning("rejected: %s %s %s: %r", *rejection.values(), extra={"fields": rejection})
                link.rejected(type_url, names, version, nack_message)
            case Unserved(type_url):
                _log.warning("not served: %s subscribes to %r", self.proxy.id, type_url)


_CLOSED = "the proxy closed the stream, or its connection was lost"
"""grpc.aio reads the same end of messages in both cases."""


def _end_reason(reader: asyncio.Task[None], error: BaseException | None) -> str:
    """Return why a stream ended: by its reader, by an error of its writer, or by this server.

    Also retrieves the reader's exception: else asyncio logs it when the writer has failed as well.
    """
    if reader.done() and not reader.cancelled():
        invalid = reader.exception()
        return str(invalid) or type(invalid).__name__ if invalid else _CLOSED
    if error is None:
        return "the control plane is stopping"
    # grpc.aio cancels the handler of a call whose client is gone.
    return (
        "the connection was lost" if isinstance(error, asyncio.CancelledError) else str(error) or type(error).__name__
    )
