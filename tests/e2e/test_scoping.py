"""A Sidecar in front of a real Envoy: what is imported works, what is not is unknown, copies go out all the same."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml

from mirrorplane.api.kinds.istio.sidecar import SIDECAR
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.manifests import complaints, joined, route, until, virtual_service
from tests.e2e.sidecars import Sidecar, free_address, sidecar

pytestmark = pytest.mark.envoy

OWN_PORT = 9080
NAMES = ("web", "hidden", "shadow", "own")
BLOCKED = 502


class Scene(msgspec.Struct, frozen=True):
    stage: Stage
    sidecar: Sidecar
    workloads: Mapping[str, Workload]
    client: aiohttp.ClientSession

    async def limit(self, *egress: Mapping[str, Any], policy: Mapping[str, Any]) -> None:
        """Let the sidecar see this, and no more."""
        spec = {"egress": list(egress), "outboundTrafficPolicy": policy}
        metadata = {"name": "default"}
        kind = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar"}
        await self.stage.apply(yaml.safe_dump({**kind, "metadata": metadata, "spec": spec}))

    async def ask(self, host: str) -> str:
        """Ask through the HTTP proxy; return which workload answered, or the status."""
        async with self.client.get(f"http://{host}:8000/headers", proxy=self.sidecar.proxy) as answer:
            return answer.headers.get("X-Workload", str(answer.status))

    async def dial(self, address: str, port: int, host: str) -> str:
        """Ask a listener; return which workload answered, the status, or "refused"."""
        try:
            async with self.client.get(f"http://{address}:{port}/headers", headers={"Host": host}) as answer:
                return answer.headers.get("X-Workload", str(answer.status))
        except aiohttp.ClientConnectorError:
            return "refused"


def imports(*names: str) -> Sequence[str]:
    return [f"./{name}.default.svc.cluster.local" for name in names]


@pytest.fixture(params=[True, False], ids=["delta", "sotw"])
async def scene(stage: Stage, client: aiohttp.ClientSession, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        workloads = {name: await stack.enter_async_context(Workload(name)) for name in NAMES}
        ports = {name: OWN_PORT if name == "own" else 8000 for name in NAMES}
        for name, workload in workloads.items():
            pod = local_pod(f"{name}-1", name, {"app": name}, workload.port)
            await stage.apply(joined(service(name, ports[name]), pod))
        await stage.apply(virtual_service("web", {"route": route(("web", "", 1)), "mirror": {"host": "shadow"}}))
        yield Scene(stage, await sidecar(stage, 8000, OWN_PORT, delta=request.param), workloads, client)


async def test_what_is_not_imported_is_unknown_and_copies_are_made_all_the_same(scene: Scene) -> None:
    await scene.limit({"hosts": imports("web")}, policy={"mode": "REGISTRY_ONLY"})
    assert [await scene.ask(name) for name in ("web", "hidden", "shadow")] == ["web", str(BLOCKED), str(BLOCKED)]
    assert await scene.dial(scene.sidecar.address, 8000, "web") == "web"
    assert await scene.dial(scene.sidecar.address, 8000, "hidden") == str(BLOCKED)
    copies = scene.workloads["shadow"].received
    await until(lambda: len(copies) == 2, "both requests to web were copied")
    assert scene.workloads["hidden"].received == []
    assert not complaints(scene.stage)


async def test_what_a_sidecar_imports_can_change_and_all_is_known_without_one(scene: Scene) -> None:
    await scene.limit({"hosts": imports("web")}, policy={"mode": "REGISTRY_ONLY"})
    assert await scene.ask("hidden") == str(BLOCKED)
    await scene.limit({"hosts": imports("hidden")}, policy={"mode": "REGISTRY_ONLY"})
    assert [await scene.ask(name) for name in ("web", "hidden")] == [str(BLOCKED), "hidden"]
    await delete_object(scene.stage, Ref(SIDECAR.key, "default", "default"))
    assert [await scene.ask(name) for name in ("web", "hidden", "shadow")] == ["web", "hidden", "shadow"]
    assert not complaints(scene.stage)


async def test_what_nobody_declared_goes_to_the_egress_proxy(scene: Scene) -> None:
    proxy = {"host": "hidden.default.svc.cluster.local", "port": {"number": 8000}}
    await scene.limit({"hosts": imports("web")}, policy={"mode": "ALLOW_ANY", "egressProxy": proxy})
    assert [await scene.ask(name) for name in ("web", "elsewhere.example.com", "shadow")] == ["web", "hidden", "hidden"]
    hosts = [received.host for received in scene.workloads["hidden"].received]
    assert hosts == ["elsewhere.example.com:8000", "shadow:8000"]
    assert not complaints(scene.stage)


async def test_a_listener_of_its_own_is_bound_where_it_says(scene: Scene) -> None:
    address = free_address(OWN_PORT)
    egress_listener = {
        "port": {"number": OWN_PORT, "protocol": "HTTP", "name": "own"},
        "bind": address,
        "captureMode": "NONE",
        "hosts": imports("own"),
    }
    await scene.limit(egress_listener, {"hosts": imports("web")}, policy={"mode": "REGISTRY_ONLY"})
    assert await until_answered(scene, address) == "own"
    assert await scene.dial(address, OWN_PORT, "web") == str(BLOCKED)
    assert await scene.dial(scene.sidecar.address, 8000, "own") == str(BLOCKED)
    assert await scene.dial(scene.sidecar.address, 8000, "web") == "web"
    assert not complaints(scene.stage)


async def until_answered(scene: Scene, address: str) -> str:
    """Ask until a listener that was just accepted takes connections."""
    async with asyncio.timeout(15):
        while (answer := await scene.dial(address, OWN_PORT, "own")) == "refused":
            await asyncio.sleep(0.05)
        return answer
