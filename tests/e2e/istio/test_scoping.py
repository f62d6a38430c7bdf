"""A Sidecar for a real Envoy: imported services work, others are unknown, mirrors work either way."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest

from mirrorplane.api.kinds.istio.sidecar import SIDECAR
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.support.manifests import join_manifests, nack_messages, route, until, virtual_service
from tests.e2e.support.sidecars import Sidecar, free_address, sidecar

pytestmark = pytest.mark.envoy

OWN_PORT = 9080
NAMES = ("web", "hidden", "shadow", "own")
BLOCKED = 502


class SidecarWorld(msgspec.Struct, frozen=True):
    stage: Stage
    sidecar: Sidecar
    workloads: Mapping[str, Workload]
    client: aiohttp.ClientSession

    async def limit(self, *egress: Mapping[str, Any], policy: Mapping[str, Any]) -> None:
        """Restrict the sidecar's imports to this."""
        spec = {"egress": list(egress), "outboundTrafficPolicy": policy}
        metadata = {"name": "default"}
        kind = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar"}
        await self.stage.apply(yaml.safe_dump({**kind, "metadata": metadata, "spec": spec}))

    async def ask(self, host: str) -> str:
        """Send a request through the HTTP proxy; return the workload that answered, or the status."""
        async with self.client.get(f"http://{host}:8000/headers", proxy=self.sidecar.proxy) as answer:
            return answer.headers.get("X-Workload", str(answer.status))

    async def dial(self, address: str, port: int, host: str) -> str:
        """Send a request to a listener; return the workload that answered, the status, or "refused"."""
        try:
            async with self.client.get(f"http://{address}:{port}/headers", headers={"Host": host}) as answer:
                return answer.headers.get("X-Workload", str(answer.status))
        except aiohttp.ClientConnectorError:
            return "refused"


def imports(*names: str) -> Sequence[str]:
    return [f"./{name}.default.svc.cluster.local" for name in names]


@pytest.fixture(params=[True, False], ids=["delta", "sotw"])
async def world(
    stage: Stage, client: aiohttp.ClientSession, request: pytest.FixtureRequest
) -> AsyncIterator[SidecarWorld]:
    async with AsyncExitStack() as stack:
        workloads = {name: await stack.enter_async_context(Workload(name)) for name in NAMES}
        ports = {name: OWN_PORT if name == "own" else 8000 for name in NAMES}
        for name, workload in workloads.items():
            pod = local_pod(f"{name}-1", name, {"app": name}, workload.port)
            await stage.apply(join_manifests(service(name, ports[name]), pod))
        await stage.apply(virtual_service("web", {"route": route(("web", "", 1)), "mirror": {"host": "shadow"}}))
        yield SidecarWorld(stage, await sidecar(stage, 8000, OWN_PORT, delta=request.param), workloads, client)


async def test_services_that_are_not_imported_are_unknown_but_still_get_copies(world: SidecarWorld) -> None:
    await world.limit({"hosts": imports("web")}, policy={"mode": "REGISTRY_ONLY"})
    assert [await world.ask(name) for name in ("web", "hidden", "shadow")] == ["web", str(BLOCKED), str(BLOCKED)]
    assert await world.dial(world.sidecar.address, 8000, "web") == "web"
    assert await world.dial(world.sidecar.address, 8000, "hidden") == str(BLOCKED)
    copies = world.workloads["shadow"].received
    await until(lambda: len(copies) == 2, "both requests to web were copied")
    assert world.workloads["hidden"].received == []
    assert not nack_messages(world.stage)


async def test_the_imports_of_a_sidecar_can_change_and_without_one_all_is_known(world: SidecarWorld) -> None:
    await world.limit({"hosts": imports("web")}, policy={"mode": "REGISTRY_ONLY"})
    assert await world.ask("hidden") == str(BLOCKED)
    await world.limit({"hosts": imports("hidden")}, policy={"mode": "REGISTRY_ONLY"})
    assert [await world.ask(name) for name in ("web", "hidden")] == [str(BLOCKED), "hidden"]
    await delete_object(world.stage, Ref(SIDECAR.key, "default", "default"))
    assert [await world.ask(name) for name in ("web", "hidden", "shadow")] == ["web", "hidden", "shadow"]
    assert not nack_messages(world.stage)


async def test_undeclared_hosts_go_to_the_egress_proxy(world: SidecarWorld) -> None:
    proxy = {"host": "hidden.default.svc.cluster.local", "port": {"number": 8000}}
    await world.limit({"hosts": imports("web")}, policy={"mode": "ALLOW_ANY", "egressProxy": proxy})
    assert [await world.ask(name) for name in ("web", "elsewhere.example.com", "shadow")] == ["web", "hidden", "hidden"]
    hosts = [received.host for received in world.workloads["hidden"].received]
    assert hosts == ["elsewhere.example.com:8000", "shadow:8000"]
    assert not nack_messages(world.stage)


async def test_an_egress_listener_is_bound_to_its_address(world: SidecarWorld) -> None:
    address = free_address(OWN_PORT)
    egress_listener = {
        "port": {"number": OWN_PORT, "protocol": "HTTP", "name": "own"},
        "bind": address,
        "captureMode": "NONE",
        "hosts": imports("own"),
    }
    await world.limit(egress_listener, {"hosts": imports("web")}, policy={"mode": "REGISTRY_ONLY"})
    assert await until_answered(world, address) == "own"
    assert await world.dial(address, OWN_PORT, "web") == str(BLOCKED)
    assert await world.dial(world.sidecar.address, 8000, "own") == str(BLOCKED)
    assert await world.dial(world.sidecar.address, 8000, "web") == "web"
    assert not nack_messages(world.stage)


async def until_answered(world: SidecarWorld, address: str) -> str:
    """Send requests until a new listener accepts connections."""
    async with asyncio.timeout(60):
        while (answer := await world.dial(address, OWN_PORT, "own")) == "refused":
            await asyncio.sleep(0.05)
        return answer
