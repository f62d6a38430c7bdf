"""Proxies come and go while long work is under way, which pauses at every step: nobody is forgotten or served wrong."""

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.sources.changes import Batch, Change
from tests.builders import PlainView, objects
from tests.controlplane.engine.cached_calls import idle_calls, named_calls
from tests.controlplane.engine.test_incremental import from_scratch

WEB = """
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {ports: [{name: http, port: %d}]}
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{match: [{sourceLabels: {tier: gold}}], route: [{destination: {host: gold}}]}]}
"""
PROXIES = [
    Proxy("sidecar", "plain", "default"),
    Proxy("sidecar", "twin", "default"),
    Proxy("sidecar", "gold", "default", labels={"tier": "gold"}),
    Proxy("sidecar", "far", "elsewhere"),
]
EDITS = [WEB % ("web", 80), WEB % ("web", 81), WEB % ("gold", 80), RULE]
ops = st.one_of(
    st.tuples(st.just("edit"), st.integers(0, len(EDITS) - 1)),
    st.tuples(st.just("toggle"), st.integers(0, len(PROXIES) - 1)),
    st.tuples(st.just("render"), st.integers(0, len(PROXIES) - 1)),
)


class Session:
    """A plane whose work pauses whenever it can, and the proxies that are connected to it."""

    def __init__(self) -> None:
        self.plane = Plane(catalogue())
        self.plane.executor._slice_s = 0.0
        self.offered: dict[str, ResourceSet] = {}
        self.detach: dict[str, Callable[[], None]] = {}
        self.tasks: list[asyncio.Task[object]] = []

    def do(self, op: str, number: int) -> None:
        if op == "edit":
            batch = Batch(tuple(Change(obj.ref, obj) for obj in objects(EDITS[number])))
            self.tasks.append(asyncio.create_task(self.plane.update(batch)))
        elif op == "render":
            self.tasks.append(asyncio.create_task(self.plane.rendered(PROXIES[number])))
        else:
            self.toggle(PROXIES[number])

    def toggle(self, proxy: Proxy) -> None:
        if proxy.name in self.detach:
            self.detach.pop(proxy.name)()
            self.offered.pop(proxy.name, None)
        else:
            self.detach[proxy.name] = self.plane.publisher.attach(proxy, lambda served: self._take(proxy, served))

    def _take(self, proxy: Proxy, served: ResourceSet) -> None:
        self.offered[proxy.name] = served


@given(st.lists(st.tuples(ops, st.integers(0, 40)), max_size=12))
def test_whatever_happens_during_long_work_everyone_ends_up_with_what_a_fresh_world_gives(schedule):
    async def play() -> None:
        session = Session()
        for (op, number), pauses in schedule:
            session.do(op, number)
            for _ in range(pauses):
                await asyncio.sleep(0)
        await asyncio.gather(*session.tasks)
        await session.plane.executor.run(lambda: None)  # its turn comes when all other work is done
        assert session.detach.keys() <= session.offered.keys(), "everyone has been offered something"
        await session.plane.publish()
        scratch = PlainView(session.plane.snapshot, catalogue().inputs)
        for proxy in PROXIES:
            if proxy.name in session.detach:
                served = {t: dict(r) for t, r in session.offered[proxy.name].resources.items() if r}
                assert served == from_scratch(scratch, proxy)
        assert not session.plane.publisher.failures
        for detach in session.detach.values():
            detach()
        for ref in session.plane.snapshot.objects:
            session.plane.store.apply(ref, None)
        await session.plane.publish()
        assert named_calls(session.plane.engine) <= idle_calls()

    asyncio.run(play())
