"""Event loop lag while the world changes; prints JSON.

A ticker wakes up every millisecond; the figures are its largest delays, in milliseconds, in a world of N mirrored
services that S scopes see, each with P proxies that hold all of it and answer as they are told. The changes: MeshConfig
(every cluster), a proxy of a new scope, one VirtualService, one route configuration that a proxy rejects, a scope that
is left, all VirtualServices deleted. `python -m tests.bench.lag 5000 1 10`
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec

from mirrorplane.api.kinds import mirrorplane
from mirrorplane.api.kinds.istio.virtual_service import VIRTUAL_SERVICE
from mirrorplane.api.meta import AnyObject, Object, Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.engine.gc_policy import exempt_loaded_objects
from mirrorplane.controlplane.feed import PlaneFeed
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.sources.changes import Batch, Change
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.push_order import SERVER_LIMITS
from mirrorplane.controlplane.xds.requests import Ack, DeltaRequest, Nack
from mirrorplane.controlplane.xds.shared_responses import SharedResponses
from tests.bench.client_process import until
from tests.bench.gauges import Ticker
from tests.bench.worlds import mirrored_services, virtual_service

EDITS = 20
REPEATS = 3
COMPLAINT = "Envoy does not like it"


class Client:
    """The client of a session: it subscribes to everything, and accepts or rejects each response."""

    def __init__(self, feed: PlaneFeed, responses: SharedResponses, number: int, namespace: str) -> None:
        self.rejects = ""
        self.session: DeltaSession | None = None
        self._shared = responses
        self._asks: list[DeltaRequest] = []
        self._wake = asyncio.Event()
        self.link = feed.attach(Proxy("sidecar", f"client-{number}", namespace), self._take, "delta")

    def _take(self, resources: ResourceSet) -> None:
        if self.session is None:
            self.session = DeltaSession(resources, SERVER_LIMITS, time.monotonic(), self._shared)
            self._asks = [
                DeltaRequest(type_url, () if type_url in (CLUSTER, LISTENER) else tuple(resources.of_type(type_url)))
                for type_url in (CLUSTER, LISTENER, ENDPOINT, ROUTE)
            ]
        else:
            self.session.offer(resources)
        self._wake.set()

    @property
    def settled(self) -> bool:
        """Whether it has answered every response."""
        return self.session is not None and not self._asks and self.session.settled

    async def live(self) -> None:
        """Ask and answer, one message a turn, as the stream of a proxy does."""
        while True:
            while self.session is not None and self._asks:
                self.session.receive(self._asks.pop(0))
                await asyncio.sleep(0)
            await self._shared.scheduler.wait_turn()
            if self.session is None or self.session.next(time.monotonic()) is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            await asyncio.sleep(0)
            self._answer(self.session.pushed)
            await asyncio.sleep(0)

    def _answer(self, type_url: str) -> None:
        assert self.session is not None
        nonce = self.session.push_order.subscriptions[type_url].nonce
        error = COMPLAINT if type_url == self.rejects else None
        self.rejects = "" if error else self.rejects
        match self.session.receive(DeltaRequest(type_url, nonce=nonce, error=error)):
            case Ack(kind, version, rejected):
                self.link.acked(kind, version, rejected)
            case Nack(kind, names, version, message):
                self.link.rejected(kind, names, version, message)
        if self.session.settled:
            self.link.settled()


class Mesh:
    """A plane, its world and its clients."""

    def __init__(self) -> None:
        self.plane = Plane(catalogue())
        self.feed = PlaneFeed(self.plane, Metrics(self.plane))
        self.clients: list[Client] = []
        self.shared = SharedResponses(self.feed.checkpoint)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Mesh":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def publish(self, objects: list[AnyObject], deleted: tuple[Ref, ...] = ()) -> None:
        changes = [Change(obj.ref, obj) for obj in objects] + [Change(ref, None) for ref in deleted]
        with self.feed.round(time.monotonic()):
            await self.plane.update(Batch(tuple(changes)))
        await self.settled()

    async def connect(self, namespace: str) -> Client:
        client = Client(self.feed, self.shared, len(self.clients), namespace)
        self.clients.append(client)
        self._tasks.append(asyncio.create_task(client.live()))
        await self.settled()
        return client

    async def settled(self) -> None:
        await until(lambda: all(client.settled for client in self.clients), "all proxies had answered")

    async def reject(self, client: Client, obj: AnyObject) -> None:
        """Change a rule, and have one proxy reject the routes."""
        client.rejects = ROUTE
        await self.publish([obj])
        await self.plane.all_findings()

    async def leave(self, client: Client) -> None:
        """Disconnect the last proxy of a scope, and wait until the scope's resources are discarded."""
        self.clients.remove(client)
        client.link.leave()
        await self.plane.executor.run(lambda: None)


async def measure(count: int, scopes: int, proxies: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(Mesh())
        world = mirrored_services(count)
        load = await lag(lambda: mesh.publish(world))
        exempt_loaded_objects()  # as the control plane does when it begins to serve
        connects = [await lag(lambda n=number: mesh.connect(f"ns-{n}")) for number in range(scopes)]
        for number in range(scopes * (proxies - 1)):
            await mesh.connect(f"ns-{number % scopes}")
        config = [await lag(lambda n=number: mesh.publish([mesh_config(n)])) for number in range(REPEATS)]
        edit = [await lag(lambda n=n: mesh.publish([virtual_service(n * 7 % count, 1.0 + n)])) for n in range(EDITS)]
        bad = await lag(lambda: mesh.reject(mesh.clients[0], virtual_service(0, 99.0)))
        alone = await mesh.connect("alone")
        leave = await lag(lambda: mesh.leave(alone))
        rules = tuple(ref for ref in mesh.plane.snapshot.objects if ref.kind == VIRTUAL_SERVICE.key)
        deletion = await lag(lambda: mesh.publish([], rules))
    lags_by_change = {
        "load": [load],
        "connect": connects,
        "mesh": config,
        "edit": edit,
        "nack": [bad],
        "leave": [leave],
    }
    return {
        key: value
        for name, lags in {**lags_by_change, "gone": [deletion]}.items()
        for key, value in (
            (f"{name}_lag_ms", max(sample[0] for sample in lags)),
            (f"{name}_ms", max(sample[1] for sample in lags)),
        )
    }


async def lag(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return the largest delay of the ticker during some work, and the duration of the work, in milliseconds."""
    async with Ticker() as ticker:
        started = time.perf_counter()
        await work()
        duration = (time.perf_counter() - started) * 1000
    return ticker.worst_ms, duration


def mesh_config(number: int) -> AnyObject:
    """A MeshConfig that changes every cluster."""
    spec = msgspec.structs.replace(mirrorplane.MeshConfig(), connect_timeout=f"{number + 1}s")
    return Object(Ref(mirrorplane.MESH_CONFIG.key, "", "default"), spec)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(*map(int, sys.argv[1:])))))
