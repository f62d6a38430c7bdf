"""A request of many names is handled in slices: others are served meanwhile, and nothing is seen of half of it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import grpc
import pytest
from greenlet import getcurrent, greenlet

from mirrorplane.api.resource import CLUSTER, ENDPOINT
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import DeltaRequest, SotwRequest
from mirrorplane.controlplane.xds.shared_responses import SharedResponses
from mirrorplane.controlplane.xds.sotw import SotwSession
from tests.controlplane.xds.grpc_peers import ADS, Peer, TableFeed, XdsServer
from tests.controlplane.xds.resource_worlds import SMALL, Item, first_set, having

T = TypeVar("T")
NAMES = tuple(f"name-{number}" for number in range(5000))


class PausingFeed(TableFeed):
    """Stops work of many names at its first checkpoint until `go`, and lets the loop run at each one after it."""

    def __init__(self) -> None:
        super().__init__(SMALL)
        self.paused, self.go = asyncio.Event(), asyncio.Event()
        self._worker: greenlet | None = None

    def checkpoint(self) -> None:
        if self._worker is not None and getcurrent() is self._worker:
            self._worker.parent.switch()

    async def run(self, work: Callable[[], T]) -> T:
        self._worker = greenlet(work)
        value = self._worker.switch()
        self.paused.set()
        await self.go.wait()
        while not self._worker.dead:
            await asyncio.sleep(0)
            value = self._worker.switch()
        return value


@pytest.fixture
def feed() -> PausingFeed:
    return PausingFeed()


async def test_others_are_served_while_a_request_of_many_names_is_handled(
    feed: PausingFeed, server: XdsServer, channel: grpc.aio.Channel
) -> None:
    many, other = (Peer(channel, f"{ADS}/DeltaAggregatedResources", delta=True) for _ in range(2))
    await many.send(ENDPOINT, resource_names_subscribe=[*NAMES, "e1"])
    await feed.paused.wait()
    await other.send(CLUSTER)
    assert len((await other.read()).resources) == 2

    feed.publish(having(SMALL, ENDPOINT, e1=Item(salt=2), **{NAMES[0]: Item(salt=3)}))
    assert not feed.pushes[1:], "nothing is sent of half a subscription"
    feed.go.set()
    answered, missing = {}, set()
    while len(answered) + len(missing) <= len(NAMES):
        response = await many.read()
        answered |= {entry.name: entry.version for entry in response.resources}
        missing |= set(response.removed_resources)
        await many.send(ENDPOINT, response_nonce=response.nonce)
    newest = feed.set.of_type(ENDPOINT)
    assert answered == {name: newest[name].version for name in ("e1", NAMES[0])}
    assert missing == {*NAMES[1:]}


@pytest.mark.parametrize("session_type", [DeltaSession, SotwSession])
def test_there_is_a_pause_for_each_name(session_type: type[DeltaSession | SotwSession]) -> None:
    pauses = 0

    def checkpoint() -> None:
        nonlocal pauses
        pauses += 1

    session = session_type(first_set(SMALL), PushLimits(), 0.0, SharedResponses(checkpoint))
    if isinstance(session, DeltaSession):
        requests = [DeltaRequest(ENDPOINT, subscribe=NAMES), DeltaRequest(ENDPOINT, unsubscribe=NAMES)]
        requests += [DeltaRequest(ENDPOINT, subscribe=("*",), initial=dict.fromkeys(NAMES, "1"))]
        requests += [DeltaRequest(ENDPOINT, unsubscribe=("*",))]
    else:
        requests = [SotwRequest(ENDPOINT, names=NAMES), SotwRequest(ENDPOINT, names=NAMES[:1])]
    for request in requests:
        before = pauses
        session.receive(request)
        assert pauses - before >= len(NAMES) - 1
