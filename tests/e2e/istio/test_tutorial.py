"""Istio's mirroring tutorial, its YAML unchanged, through a real Envoy in both protocols."""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import msgspec
import pytest

from mirrorplane.controlplane.playground.manifests import TUTORIAL, service, tutorial
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Received, Workload
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.support.manifests import join_manifests, mesh_config, until, versions, virtual_service_of
from tests.e2e.support.sidecars import Sidecar, sidecar

pytestmark = pytest.mark.envoy

MIB = 1 << 20
NAMES = ("httpbin", "httpbin.default", "httpbin.default.svc", "httpbin.default.svc.cluster.local")
OF_THE_COPY = {"host", "x-forwarded-for", "x-envoy-internal"}
"""Headers that Envoy alters on a copy: the suffix, its own address, and that the request comes from a proxy."""


class Tutorial(msgspec.Struct, frozen=True):
    """The tutorial's mesh after its first step: a Service and two versions, no rules yet."""

    stage: Stage
    sidecar: Sidecar
    v1: Workload
    v2: Workload
    client: aiohttp.ClientSession

    async def get(self, host: str = "httpbin:8000", path: str = "/headers") -> str:
        """Send a request through the HTTP proxy; return the version that answered."""
        async with self.client.get(f"http://{host}{path}", proxy=self.sidecar.proxy) as answer:
            assert answer.status == 200
            return answer.headers["X-Workload"]

    async def dial(self, host: str) -> str:
        """Send a request to the service port's listener; return the version that answered."""
        async with self.client.get(f"{self.sidecar.on(8000)}/headers", headers={"Host": host}) as answer:
            assert answer.status == 200
            return answer.headers["X-Workload"]

    async def copies(self, count: int) -> list[Received]:
        await until(lambda: len(self.v2.received) >= count, f"v2 has {count} copies, it has {len(self.v2.received)}")
        return self.v2.received


@pytest.fixture(params=[True, False], ids=["delta", "sotw"])
async def mesh(stage: Stage, client: aiohttp.ClientSession, request: pytest.FixtureRequest) -> AsyncIterator[Tutorial]:
    async with AsyncExitStack() as stack:
        v1, v2 = [await stack.enter_async_context(Workload(name)) for name in ("v1", "v2")]
        await stage.apply(join_manifests(tutorial(TUTORIAL[0]), versions("httpbin", [v1.port, v2.port])))
        envoy = await sidecar(stage, 8000, delta=request.param)
        await stage.apply(tutorial(TUTORIAL[1]))
        yield Tutorial(stage, envoy, v1, v2, client)


async def test_the_default_policy_sends_everything_to_v1(mesh: Tutorial) -> None:
    assert {await mesh.get() for _ in range(20)} == {"v1"}
    assert len(mesh.v1.received) == 20
    await asyncio.sleep(0.2)  # time for an unexpected copy to arrive
    assert mesh.v2.received == []


async def test_a_mirror_gets_the_same_request_with_another_host(mesh: Tutorial) -> None:
    await mesh.stage.apply(tutorial(TUTORIAL[2]))
    body = os.urandom(10_000)
    for i, method in enumerate(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")):
        sent = mesh.client.request(
            method,
            f"http://httpbin:8000/anything/a%20b?q={i}&q=%2F",
            proxy=mesh.sidecar.proxy,
            data=body if method in {"POST", "PUT", "PATCH"} else None,
            headers={"Authorization": "Bearer x", "X-Twice": "1, 2", "Accept-Encoding": "identity"},
        )
        async with sent as answer:
            assert (answer.status, answer.headers["X-Workload"]) == (200, "v1")
    copies = {copy.method: copy for copy in await mesh.copies(7)}
    assert len(copies) == len(mesh.v1.received) == 7
    for original in mesh.v1.received:
        copy = copies[original.method]
        assert (original.host, copy.host) == ("httpbin:8000", "httpbin-shadow:8000")
        assert (copy.path, copy.size, copy.sha256) == (original.path, original.size, original.sha256)
        assert _plain(copy) == _plain(original)


def _plain(received: Received) -> dict[str, str]:
    return {name: value for name, value in received.headers.items() if name not in OF_THE_COPY}


async def test_every_name_of_the_service_is_mirrored(mesh: Tutorial) -> None:
    await mesh.stage.apply(tutorial(TUTORIAL[2]))
    through_the_proxy = [f"{name}:8000" for name in NAMES]
    through_the_listener = [*through_the_proxy, *NAMES]
    answered = [await mesh.get(host) for host in through_the_proxy]
    answered += [await mesh.dial(host) for host in through_the_listener]
    assert set(answered) == {"v1"}
    hosts = [copy.host for copy in await mesh.copies(len(answered))]
    authorities = [*through_the_proxy, *through_the_listener]
    assert sorted(hosts) == sorted(
        host.replace(":", "-shadow:") if ":" in host else f"{host}-shadow" for host in authorities
    )


async def test_without_the_virtual_service_both_versions_answer_and_nothing_is_copied(mesh: Tutorial) -> None:
    await mesh.stage.apply(tutorial(TUTORIAL[2]))
    await delete_object(mesh.stage, virtual_service_of("httpbin"))
    answered = [await mesh.get() for _ in range(60)]
    assert set(answered) == {"v1", "v2"}
    assert (len(mesh.v1.received), len(mesh.v2.received)) == (answered.count("v1"), answered.count("v2"))
    assert {r.host for r in mesh.v2.received} == {"httpbin:8000"}


async def test_the_mesh_config_can_turn_the_shadow_suffix_off(mesh: Tutorial) -> None:
    await mesh.stage.apply(
        join_manifests(tutorial(TUTORIAL[2]), mesh_config({"mirroring": {"shadowHostSuffix": False}}))
    )
    assert await mesh.get() == "v1"
    assert [copy.host for copy in await mesh.copies(1)] == ["httpbin:8000"]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_bodies_up_to_the_limit_are_copied_and_larger_ones_are_not(mesh: Tutorial, chunked: bool) -> None:
    await mesh.stage.apply(tutorial(TUTORIAL[2]))
    sizes = (1, 65_536, MIB - 1, MIB)
    sent = [await _upload(mesh, size, chunked=chunked) for size in sizes]
    assert [copy.sha256 for copy in await mesh.copies(len(sizes))] == sent
    largest = await _upload(mesh, MIB + 1, chunked=chunked)
    assert [r.sha256 for r in mesh.v1.received] == [*sent, largest]
    await mesh.get()  # a mark: what is copied after it came after the large one
    await until(lambda: any(r.path == "/headers" for r in mesh.v2.received), "the next copy")
    assert largest not in {copy.sha256 for copy in mesh.v2.received}


async def _upload(mesh: Tutorial, size: int, *, chunked: bool) -> str:
    """Post random bytes and return their checksum; v1 must have received the same."""
    body = os.urandom(size)
    digest = hashlib.sha256(body).hexdigest()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, size, 30_000):
            yield body[start : start + 30_000]

    data = pieces() if chunked else io.BytesIO(body)
    async with mesh.client.post("http://httpbin:8000/post", data=data, proxy=mesh.sidecar.proxy) as answer:
        assert (answer.status, (await answer.json())["sha256"]) == (200, digest)
    return digest


@pytest.mark.parametrize("host", [*NAMES, *(f"{name}:80" for name in NAMES)])
async def test_on_port_80_the_proxy_needs_no_port_in_the_name(
    stage: Stage, client: aiohttp.ClientSession, host: str
) -> None:
    async with Workload("v1") as v1, Workload("v2") as v2:
        tutorial_on_80 = join_manifests(
            service("httpbin", 80), versions("httpbin", [v1.port, v2.port]), tutorial(TUTORIAL[1])
        )
        await stage.apply(tutorial_on_80)
        await stage.apply(tutorial(TUTORIAL[2]))
        mesh = Tutorial(stage, await sidecar(stage, unprivileged=True), v1, v2, client)
        assert await mesh.get(host) == "v1"
        await mesh.copies(1)
