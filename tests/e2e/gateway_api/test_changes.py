"""Changes of Gateways that a real Envoy serves: listeners, addresses, generations; long names."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import aiohttp
import pytest

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.gateway_api.test_l4 import eventually
from tests.e2e.support.edge_router import Router, router
from tests.e2e.support.feature_cases import (
    CONTROLLER,
    GATEWAY_CLASS,
    HTTP,
    Route,
    conditions_of,
    gateway,
    listener,
    route_manifest,
    service_with_endpoints,
)
from tests.e2e.support.gateway_states import parts_of
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages
from tests.e2e.support.mesh_features import manifest_yaml, rule_to

pytestmark = pytest.mark.envoy

OTHER = 18081
LABEL = "gateway.networking.k8s.io/gateway-name"
HEALTHY = {"Accepted": "Accepted", "Programmed": "Programmed"}


async def find_status(stage: Stage, name: str = "edge", kind: str = "Gateway") -> dict[str, Any]:
    statuses = await stage.app.status_updater.statuses()
    return next(dict(status) for ref, status in statuses if (ref.name, ref.kind.rpartition("/")[2]) == (name, kind))


async def status(client: aiohttp.ClientSession, edge_router: Router, port: int) -> int:
    """The status that a client gets, 0 if nothing listens."""
    try:
        async with client.get(edge_router.url("http", port, "/anything")) as answer:
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0


async def test_listeners_are_added_and_removed_and_addresses_are_those_of_the_router(
    stage: Stage, client: aiohttp.ClientSession
):
    async with Workload("v1") as v1:
        first_listener, second_listener = listener("one", HTTP), listener("two", OTHER)
        route = route_manifest("web", 0, Route([rule_to("v1")], [], [{}]))
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG, GATEWAY_CLASS, gateway(first_listener), route, service_with_endpoints("v1", v1.port)
            )
        )
        edge_router = await router(stage, HTTP, OTHER, labels={LABEL: "edge"})
        for listeners, statuses in (
            ((first_listener,), (200, 0)),
            ((first_listener, second_listener), (200, 200)),
            ((second_listener,), (0, 200)),
        ):
            await stage.apply(gateway(*listeners))
            await until_programmed(stage, [listener_spec["name"] for listener_spec in listeners])

            async def observe() -> tuple[int, int]:
                return await status(client, edge_router, HTTP), await status(client, edge_router, OTHER)

            await eventually(observe, statuses)
        await _addresses(stage, edge_router.address)
        await _generations(stage)
    assert not nack_messages(stage)


async def until_programmed(stage: Stage, names: Sequence[str]) -> None:
    async def observe() -> dict[str, Any]:
        return {name: part.get("Programmed") for name, part in parts_of(await find_status(stage)).items()}

    await eventually(observe, dict.fromkeys(["", *names], "Programmed"))


async def _addresses(stage: Stage, usable: str) -> None:
    """GatewayStaticAddresses, GatewayOptionalAddressValue: unusable ones are reported, others assigned."""
    assignable, unusable = {"type": "IPAddress", "value": usable}, {"type": "IPAddress", "value": "192.0.2.1"}
    magic = {"type": "example.com/magic", "value": "x"}
    for requested, conditions, addresses in (
        ([magic, unusable, assignable], {"Accepted": "!UnsupportedAddress", "Programmed": "!Invalid"}, []),
        ([unusable], {**HEALTHY, "Programmed": "!AddressNotUsable"}, []),
        ([unusable, assignable], {**HEALTHY, "Programmed": "!AddressNotUsable"}, [assignable]),
        ([assignable], HEALTHY, [assignable]),
        ([{"type": "IPAddress"}], HEALTHY, [assignable]),
        ([{}], HEALTHY, [assignable]),
    ):
        await stage.apply(gateway(listener("two", OTHER), addresses=requested))

        async def observe() -> tuple[dict[str, str], Any]:
            gateway_status = await find_status(stage)
            return conditions_of(gateway_status), gateway_status.get("addresses")

        await eventually(observe, (conditions, addresses))


async def _generations(stage: Stage) -> None:
    """All conditions of classes, Gateways, routes and policies have the generation that they observed."""
    before: dict[Ref, int] = {}
    for number in (1, 2, 3):
        validation = {"hostname": f"v{number}.example.com", "wellKnownCACertificates": "System"}
        target = {"group": "", "kind": "Service", "name": "v1"}
        texts = [
            manifest_yaml("GatewayClass", "ours", {"controllerName": CONTROLLER, "description": f"{number}"}),
            gateway(listener("two", OTHER), listener(f"more-{number}", OTHER, f"v{number}.example.com")),
            route_manifest("web", 0, Route([{**rule_to("v1"), "name": f"v{number}"}], [], [{}])),
            manifest_yaml("BackendTLSPolicy", "v1", {"targetRefs": [target], "validation": validation}),
        ]
        await stage.apply(join_manifests(*texts))
        observed = dict(await stage.app.status_updater.statuses())
        generations = {ref: stage.app.plane.snapshot.objects[ref].generation for ref in observed}
        assert len(observed) == len(texts)
        assert all(generations[ref] == earlier + 1 for ref, earlier in before.items())
        assert {ref: set(_observed(status)) for ref, status in observed.items()} == {
            r: {n} for r, n in generations.items()
        }
        before = generations


def _observed(value: Any) -> list[int]:
    if isinstance(value, list | tuple):
        return [number for item in value for number in _observed(item)]
    if not isinstance(value, Mapping):
        return []
    generations = [value["observedGeneration"]] if "lastTransitionTime" in value else []
    return generations + [number for item in value.values() for number in _observed(item)]


async def test_a_gateway_may_have_the_longest_name(stage: Stage, client: aiohttp.ClientSession):
    name = "-".join(["long"] * 50)[:253]
    async with Workload("v1") as v1:
        route = route_manifest("web", 0, Route([rule_to("v1")], [], [{"name": name}]))
        stage.write("long.yaml", gateway(listener("http", HTTP), name=name))  # no file may have such a name
        await stage.apply(join_manifests(NO_ACCESS_LOG, GATEWAY_CLASS, route, service_with_endpoints("v1", v1.port)))
        edge_router = await router(stage, HTTP, labels={LABEL: f"{name[:52]}-{sha256(name.encode()).hexdigest()[:10]}"})
        assert await status(client, edge_router, HTTP) == 200
        assert conditions_of(await find_status(stage, name)) == HEALTHY
