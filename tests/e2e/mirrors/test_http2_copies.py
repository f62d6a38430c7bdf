"""Copies over HTTP/2: each has a connection of its own, and arrives whole however many there are at once."""

import asyncio
from collections import Counter
from hashlib import sha256

import aiohttp
import pytest

from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.support.edge_router import LABELS, edge_virtual_service, gateway, router, server
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, route, until_copied
from tests.e2e.support.sidecars import sidecar

pytestmark = pytest.mark.envoy

PORT, COPIES = 18080, 8000
AT_ONCE = 100
BODY = bytes(range(256)) * 4000
"""1,024,000 bytes: nearly as much as is copied."""


async def test_a_hundred_copies_at_once_arrive_whole(stage: Stage, client: aiohttp.ClientSession) -> None:
    """The mirror's target is a router, as no workload of the tests speaks HTTP/2."""
    async with Workload("web") as web, Workload("copies") as copies:
        edge_router = await router(stage, PORT)
        target = local_pod("next", "next", LABELS, PORT, "http2").replace("127.0.0.1", edge_router.address)
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                *(
                    join_manifests(service(w.name, COPIES), local_pod(w.name, w.name, {"app": w.name}, w.port))
                    for w in (web, copies)
                ),
                join_manifests(service("next", COPIES, "http2"), target),
                gateway(server(PORT, "HTTP", "*")),
                edge_virtual_service("copies", ["*-shadow"], http=[{"route": route(("copies", "", 1))}]),
            )
        )
        beside = await sidecar(stage, COPIES)
        rules = [{"route": route(("web", "", 1)), "mirror": {"host": "next"}}]
        await stage.apply(edge_virtual_service("web", ["web"], gateways=["mesh"], http=rules))

        async def send() -> None:
            async with client.post(f"http://web:{COPIES}/post", data=BODY, proxy=beside.proxy) as answer:
                assert answer.status == 200

        def whole_copies() -> int:
            return Counter(request.sha256 for request in copies.received)[sha256(BODY).hexdigest()]

        await until_copied(send, lambda: whole_copies() > 0)
        already = whole_copies()
        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        await until_copied(send, lambda: whole_copies() >= already + AT_ONCE)
        assert Counter(request.size for request in copies.received).keys() == {len(BODY)}
        assert not nack_messages(stage)
