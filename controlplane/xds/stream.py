"""One xDS stream: the asyncio around a session. A reader task feeds it requests, the stream's own task writes.

Separate from the session so that the protocol knows no I/O, and from the server so that one stream fits on a page.
Reads are never wrapped in a timeout, nor cancelled while the stream lives: that loses messages (grpc/grpc#43360).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Set
from typing import Any, Generic, TypeVar

import grpc
import msgspec

from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.xds import decode
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.feed import Feed, Link
from mirrorplane.controlplane.xds.push_order import Others, PushLimits, PushOrder
from mirrorplane.controlplane.xds.requests import Ack, DeltaRequest, Nack, Outcome, ProtocolError, SotwRequest, Unserved
from mirrorplane.controlplane.xds.session import Session
from mirrorplane.controlplane.xds.shared_responses import Shared
from mirrorplane.controlplane.xds.sotw import SotwSession
from mirrorplane.controlplane.xds.status import StreamStatus, shortened

_log = logging.getLogger(__name__)

R = TypeVar("R", SotwRequest, DeltaRequest)


class Variant(msgspec.Struct, Generic[R], frozen=True):
    """A protocol variant: how its messages are decoded and which session understands them."""

    name: str
    hello: Callable[[bytes], decode.Hello[R]]
    request: Callable[[bytes], R]
    session: Callable[[ResourceSet, PushLimits, float, Shared, Others], Session[R]]


SOTW = Variant("sotw", decode.sotw_hello, decode.sotw_request, SotwSession)
DELTA = Variant("delta", decode.delta_hello, decode.delta_request, DeltaSession)


class Stream(Generic[R]):
    """One connected stream. `type_url` is the only type it may speak of, or empty for ADS.

    `beside` are the other streams of a proxy that opens one for each type; whoever opens them fills it in.
    """

    def __init__(
        self, variant: Variant[R], hello: decode.Hello[R], *, pace: PushLimits, type_url: str, shared: Shared
    ) -> None:
        self.proxy = hello.proxy
        self.beside: Set[Stream[Any]] = frozenset()
        self._variant: Variant[R] = variant
        self._first: R | None = hello.request
        self._pace = pace
        self._type_url = type_url
        self._shared = shared
        self._session: Session[R] | None = None
        self._offered: asyncio.Event | None = asyncio.Event()
        self._wake = asyncio.Event()
        self._closed = False
        self._since = time.time()
        self._owing = False

    async def run(self, rpc: Any, feed: Feed) -> None:
        """Serve until the proxy or `close` ends the stream. Raises ProtocolError for a request we cannot take."""
        name = f"{self.proxy.id} ({self._variant.name})"
        _log.info("connected: %s", name)
        link = feed.attach(self.proxy, self.offer, self._variant.name)
        reader = asyncio.create_task(self._read(rpc, link), name=f"xds reader of {name}")
        try:
            await self._write(rpc, link)
        finally:
            link.leave()
            reader.cancel()
            _log.info("disconnected: %s", name)
        if reader.done():
            reader.result()

    def offer(self, resources: ResourceSet) -> None:
        """Serve a newer set from now on."""
        if self._session is None:
            now = time.monotonic()
            self._session = self._variant.session(resources, self._pace, now, self._shared, self._others)
            if self._offered:
                self._offered.set()
        else:
            self._session.offer(resources)
        self._owing = True
        self._wake.set()
        self._wake_others()

    def close(self) -> None:
        """End the stream after the message that is being written."""
        self._closed = True
        self._wake.set()
        self._wake_others()

    @property
    def gate(self) -> PushOrder | None:
        """The order of this stream's types, once there is a set."""
        return self._session.gate if self._session else None

    def wake(self) -> None:
        """Look again whether something can be sent."""
        self._wake.set()

    def status(self) -> StreamStatus:
        """Return how the stream stands."""
        types = self._session.status() if self._session else ()
        return StreamStatus(self.proxy, self._variant.name, self._since, types)

    async def _read(self, rpc: Any, link: Link) -> None:
        """Take requests until the proxy half-closes. Before the first set none is read, so none has to be kept."""
        try:
            await self._first_set()
            first, self._first = self._first, None  # one that names all it holds is large, and streams live long
            assert first is not None
            self._take(first, link)
            del first
            while (message := await rpc.read()) is not grpc.aio.EOF:
                self._take(self._variant.request(message), link)
        finally:
            self.close()

    async def _first_set(self) -> None:
        """Wait for the first set. An event is large for what is only waited for once."""
        if self._offered and self._session is None:
            await self._offered.wait()
        self._offered = None

    async def _write(self, rpc: Any, link: Link) -> None:
        while not self._closed:
            await self._shared.turns.take()
            self._wake.clear()
            now = time.monotonic()
            session = self._session
            response = session.next(now) if session else None
            if session is None or response is None:
                self._rest(link)
                await self._idle(now)
                continue
            self._owing = True
            await rpc.write(response)
            link.pushed(session.pushed, len(response), time.monotonic() - now)

    def _rest(self, link: Link) -> None:
        """Say once that everything is answered, when it is."""
        if self._owing and self._session and self._session.settled:
            self._owing = False
            link.settled()

    async def _idle(self, now: float) -> None:
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

    def _take(self, request: R, link: Link) -> None:
        assert self._session is not None
        outcome = self._session.receive(self._typed(request))
        if outcome:
            self._tell(outcome, link)
        self._wake_others()
        if self._session.resting:  # as after most ACKs: the writer can sleep on
            self._rest(link)
        else:
            self._wake.set()

    def _others(self) -> Iterator[PushOrder]:
        return (gate for other in self.beside if other is not self and (gate := other.gate))

    def _wake_others(self) -> None:
        """Let the other streams of the proxy look again: they may have waited for this one."""
        for other in self.beside:
            other.wake()

    def _typed(self, request: R) -> R:
        """Give a request of a single-type service its type, which it need not say."""
        if request.type_url and request.type_url != (self._type_url or request.type_url):
            raise ProtocolError(f"type_url {request.type_url!r} on a stream of {self._type_url}")
        if not (request.type_url or self._type_url):
            raise ProtocolError("a request on an aggregated stream must say its type_url")
        return request if request.type_url else msgspec.structs.replace(request, type_url=self._type_url)

    def _tell(self, outcome: Outcome, link: Link) -> None:
        match outcome:
            case Ack(type_url, version, rejected):
                link.acked(type_url, version, rejected)
            case Nack(type_url, names, version, message):
                said = shortened(message)
                _log.warning("rejected: %s %s %s: %r", self.proxy.id, type_url, version, said)
                link.rejected(type_url, names, version, said)
            case Unserved(type_url):
                _log.warning("not served: %s asks for %r", self.proxy.id, type_url)
