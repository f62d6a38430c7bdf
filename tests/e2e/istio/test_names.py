"""Which service a name means: of several VirtualServices for it, and where it is an alias (ExternalName)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml

from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.support.manifests import (
    NO_ACCESS_LOG,
    destination_rule,
    findings,
    join_manifests,
    nack_messages,
    route,
    until_copied,
    versions,
    virtual_service,
)
from tests.e2e.support.sidecars import Sidecar, sidecar

pytestmark = pytest.mark.envoy

PORT = 8000
NAMES = ("web", "concrete", "outside")
CONCRETE, ALIAS = (f"{name}.default.svc.cluster.local" for name in ("concrete", "alias"))


class Names(msgspec.Struct, frozen=True):
    stage: Stage
    sidecar: Sidecar
    workloads: Mapping[str, Workload]
    client: aiohttp.ClientSession

    async def ask(self, host: str, port: int = PORT) -> str:
        """Send a request through the HTTP proxy; return the workload that answered, or the status."""
        async with self.client.get(f"http://{host}:{port}/headers", proxy=self.sidecar.proxy) as answer:
            return answer.headers.get("X-Workload", str(answer.status))


def manifest(kind: str, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    version = "v1" if kind == "Service" else "networking.istio.io/v1"
    text: str = yaml.safe_dump({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    return text


def external_name(name: str, target: str, *ports: int) -> str:
    """A Service of type ExternalName."""
    numbers = [{"name": f"http-{port}", "port": port} for port in ports]
    return manifest("Service", {"name": name}, {"type": "ExternalName", "externalName": target, "ports": numbers})


@pytest.fixture
async def names(stage: Stage, client: aiohttp.ClientSession) -> AsyncIterator[Names]:
    async with AsyncExitStack() as stack:
        workloads = {name: await stack.enter_async_context(Workload(name)) for name in NAMES}
        services = [service(name, PORT) for name in ("web", "concrete")]
        pods = [versions(name, [workloads[name].port]) for name in ("web", "concrete")]
        aliases = [external_name("alias", CONCRETE), external_name("second", ALIAS)]
        await stage.apply(join_manifests(NO_ACCESS_LOG, *services, *pods, *aliases))
        yield Names(stage, await sidecar(stage, PORT, workloads["outside"].port), workloads, client)
        assert not nack_messages(stage)


async def test_an_alias_is_its_service_as_destination_as_mirror_and_when_called(names: Names) -> None:
    for host in ("alias", "alias.default", ALIAS, "second", "concrete"):
        assert await names.ask(host) == "concrete", host
    to_alias = {"route": route(("second", "v1", 1)), "mirror": {"host": "alias"}}
    await names.stage.apply(
        join_manifests(virtual_service("web", to_alias), destination_rule("concrete", {"v1": "v1"}))
    )
    received = names.workloads["concrete"].received
    received.clear()

    async def send() -> None:
        assert await names.ask("web") == "concrete"

    await until_copied(send, lambda: "web-shadow:8000" in {request.host for request in received})
    assert {request.host for request in received} == {"web-shadow:8000", "web:8000"}
    assert not findings(names.stage)


async def test_rules_for_an_alias_apply_to_its_full_name_alone(names: Names) -> None:
    await names.stage.apply(virtual_service("alias", {"route": route(("web", "", 1))}))
    asked = [await names.ask(host) for host in (ALIAS, "alias", "second", CONCRETE)]
    assert asked == ["web", "concrete", "concrete", "concrete"]


async def test_an_external_name_outside_the_mesh_is_resolved_for_requests_and_for_guarded_copies(names: Names) -> None:
    outside = names.workloads["outside"]
    named = {"host": "outside", "port": {"number": outside.port}}
    await names.stage.apply(
        join_manifests(
            external_name("outside", "localhost", outside.port),
            virtual_service("web", {"route": route(("web", "", 1)), "mirror": named}),
            virtual_service("concrete", {"route": [{"destination": named}]}),
        )
    )
    assert await names.ask("outside", outside.port) == "outside"
    assert await names.ask("concrete") == "outside"
    outside.received.clear()

    async def send() -> None:
        assert await names.ask("web") == "web"

    await until_copied(send, lambda: bool(outside.received))
    assert {request.host for request in outside.received} == {"web-shadow:8000"}
    (copies,) = (await names.sidecar.envoy.stats(r"cluster\.mirror.*outside.*\.upstream_rq_total")).values()
    assert copies >= 1, "through the mirror's own cluster"


async def test_a_service_without_selector_has_the_addresses_of_its_endpoints(names: Names) -> None:
    ports = [{"name": "http", "port": names.workloads["outside"].port}]
    subsets = [{"addresses": [{"ip": "127.0.0.1"}], "ports": ports}]
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "manual"}, "subsets": subsets}
    selects_nothing = manifest("Service", {"name": "manual"}, {"ports": [{"name": "http", "port": PORT}]})
    await names.stage.apply(join_manifests(selects_nothing, yaml.safe_dump(endpoints)))
    assert await names.ask("manual") == "outside"


async def test_the_oldest_virtual_service_has_a_host_wherever_the_client_is(names: Names) -> None:
    def rules(name: str, namespace: str, year: int, target: str) -> str:
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": f"{year}-01-01T00:00:00Z"}
        to_target = [{"route": [{"destination": {"host": f"{target}.default.svc.cluster.local"}}]}]
        return manifest("VirtualService", metadata, {"hosts": ["known.shop.svc.cluster.local"], "http": to_target})

    known = service("known", PORT).replace("name: known", "name: known\n  namespace: shop", 1)
    younger = rules("younger", "default", 2021, "concrete")
    await names.stage.apply(join_manifests(known, younger))
    assert await names.ask("known.shop") == "concrete"
    await names.stage.apply(rules("older", "other", 2019, "web"))
    assert await names.ask("known.shop") == "web"
    assert [finding.reason for finding in findings(names.stage)] == ["HostTaken"]
