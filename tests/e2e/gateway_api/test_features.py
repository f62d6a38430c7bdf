"""Every HTTP feature of Gateway API at Gateways, through real Envoys as their routers."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from mirrorplane.api.kinds.gateway_api.reference_grant import REFERENCE_GRANT
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.gateway_api.test_l4 import eventually
from tests.e2e.support.edge_router import Certificates, Router, router, secured_stage
from tests.e2e.support.feature_cases import (
    ACCEPTED,
    GATEWAY_CLASS,
    HTTP,
    OTHER_NAMESPACE,
    Feature,
    RequestCase,
    Route,
    allowed_from,
    conditions_of,
    gateway,
    host_name,
    listener,
    manifests,
    route_name,
    service_with_endpoints,
)
from tests.e2e.support.gateway_features import FILTERS, MATCHES
from tests.e2e.support.gateway_listener_features import FEATURES as OF_LISTENERS
from tests.e2e.support.gateway_split_features import BOUNDS, MIRRORS, OTHERS, REQUESTS, WEIGHTS
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, until
from tests.e2e.support.mesh_features import SENT, path_matches, services

pytestmark = pytest.mark.envoy

LABEL = "gateway.networking.k8s.io/gateway-name"
_RULES = {
    name: [{**rule, "matches": path_matches(f"/anything/{i}")} for i, (rule, _) in enumerate(rules)]
    for name, rules in MIRRORS.items()
}
FEATURES = {
    **MATCHES,
    **FILTERS,
    **OF_LISTENERS,
    **OTHERS,
    **WEIGHTS,
    **{name: Feature([Route(rules)]) for name, rules in _RULES.items()},
}


class World(msgspec.Struct, frozen=True):
    """The routers of two Gateways, workloads, and a client."""

    stage: Stage
    client: aiohttp.ClientSession
    issued: Certificates
    routers: Mapping[str, Router]
    workloads: Mapping[str, Workload]

    async def get(self, host: str, ask: RequestCase) -> tuple[str, Mapping[str, str]]:
        """The workload that answered, or the status and Location, or "closed"; and the headers."""
        url = self.routers[ask.gateway].url("https" if ask.secure else "http", ask.port, ask.path)
        tls: dict[str, Any] = {"ssl": self.issued.client(), "server_hostname": host} if ask.secure else {}
        headers = {"Host": host, **ask.headers}
        try:
            async with self.client.request(ask.method, url, headers=headers, allow_redirects=False, **tls) as answer:
                await answer.read()
        except aiohttp.ClientConnectionError:
            return "closed", {}
        location = answer.headers.get("Location", "")
        answerer = answer.headers["X-Workload"] if answer.status == 200 else f"{answer.status} {location}".strip()
        return answerer, answer.headers


def _ground(issued: Certificates, workloads: Mapping[str, Workload]) -> str:
    """The objects that all features share: Gateways, Services, Secrets."""
    listeners = [listener_spec for feature in FEATURES.values() for listener_spec in feature.listeners]
    v1, far = workloads["v1"].port, workloads["far"].port
    secrets = {
        "web": "default",
        "named": OTHER_NAMESPACE,
        "of-set": OTHER_NAMESPACE,
        "alone": OTHER_NAMESPACE,
        "every": "open",
    }
    labels = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": OTHER_NAMESPACE, "labels": {"side": "apart"}},
    }
    return join_manifests(
        NO_ACCESS_LOG,
        GATEWAY_CLASS,
        yaml.safe_dump(labels),
        gateway(listener("http", HTTP), *listeners, allowedListeners=allowed_from()),
        gateway(listener("http", HTTP), name="second"),
        *(services(workloads[name], name) for name in ("v1", "v2", "v3")),
        service_with_endpoints("far", far, OTHER_NAMESPACE),
        service_with_endpoints("alone", far, OTHER_NAMESPACE),
        service_with_endpoints("by-hand", v1),
        service_with_endpoints("headless", v1, clusterIP="None"),
        service_with_endpoints("longer", workloads["v6"].port, "default", "::1", clusterIP="None"),
        *(_secret(issued, name, namespace) for name, namespace in secrets.items()),
    )


def _secret(issued: Certificates, name: str, namespace: str) -> str:
    manifest = yaml.safe_load(issued.secret(name, "*.example.com", "example.org"))
    manifest["metadata"]["namespace"] = namespace
    text: str = yaml.safe_dump(manifest)
    return text


@pytest.fixture
async def world(tmp_path: Path, client: aiohttp.ClientSession) -> AsyncIterator[World]:
    issued, names = Certificates(), ("v1", "v2", "v3", "far")
    async with secured_stage(tmp_path, account="edge-ours") as (stage, tls), AsyncExitStack() as stack:
        workloads = {name: await stack.enter_async_context(Workload(name)) for name in names}
        workloads["v6"] = Workload("v1")
        await workloads["v6"].start("::1")
        stack.push_async_callback(workloads["v6"].stop)
        await stage.apply(join_manifests(_ground(issued, workloads), manifests(FEATURES)))
        ports = {HTTP, *(ask.port for feature in FEATURES.values() for ask in feature.requests)}
        routers = {
            name: await router(stage, *ports, tls=tls, labels={LABEL: name}, name=name) for name in ("edge", "second")
        }
        yield World(stage, client, issued, routers, workloads)
        assert not nack_messages(stage)


async def test_gateways_do_what_routes_say(world: World):
    problems = [
        f"{name}: {ask.path} at {ask.host or host_name(name)}:{ask.port}: {problem}"
        for name, feature in FEATURES.items()
        for ask in feature.requests
        for problem in await _problems(world, ask.host or host_name(name), ask)
    ]
    assert not problems, "\n".join(problems)
    problems = [problem async for problem in _conditions(world.stage)]
    assert not problems, "\n".join(problems)
    await _shares(world)
    await _copies(world)
    await _grants_are_withdrawn(world)


async def _problems(world: World, host: str, ask: RequestCase) -> list[str]:
    answerer, headers = await world.get(host, ask)
    problems = [] if answerer == ask.expected else [f"{answerer} instead of {ask.expected}"]
    problems += [
        f"answered {n}: {headers.get(n)}" for n, value in ask.response_headers.items() if headers.get(n) != value
    ]
    if not (ask.backend_headers or ask.backend_path or ask.backend_host):
        return problems
    received = world.workloads[answerer].received[-1]
    problems += [
        f"got {n}: {received.headers.get(n)}" for n, v in ask.backend_headers.items() if received.headers.get(n) != v
    ]
    if ask.backend_path and received.path != ask.backend_path:
        problems.append(f"was forwarded as {received.path}")
    if ask.backend_host and received.host != ask.backend_host:
        problems.append(f"was forwarded to {received.host}")
    return problems


async def _conditions(stage: Stage) -> AsyncIterator[str]:
    """Yield the unexpected statuses of the routes and of valid ListenerSets."""
    statuses = {(ref.namespace, ref.name): status for ref, status in await stage.app.status_updater.statuses()}
    for namespace, name in (("default", "set"), ("default", "secure"), (OTHER_NAMESPACE, "far-set")):
        status = statuses[namespace, name]
        if conditions_of(status) != {"Accepted": "Accepted", "Programmed": "Programmed"} or "addresses" in status:
            yield f"{name}: {status}"
    for name, feature in FEATURES.items():
        for i, route in enumerate(feature.routes):
            parents = statuses[route.namespace, route_name(name, i)]["parents"]
            conditions = [conditions_of(parent) for parent in parents]
            expected = {**ACCEPTED, **route.conditions}
            if conditions != [expected] * len(route.parents):
                yield f"{route_name(name, i)}: {conditions} instead of {expected}"


async def _shares(world: World) -> None:
    for name in WEIGHTS:
        world.workloads["v2"].received.clear()
        counts = Counter([(await world.get(host_name(name), RequestCase("/anything", "")))[0] for _ in range(REQUESTS)])
        assert counts.keys() == {"v1", "v2"}
        least, most = BOUNDS[0.7]
        assert least <= counts["v1"] <= most, name
    assert {request.headers["x-sent-to"] for request in world.workloads["v2"].received} == {"v2"}


async def _copies(world: World) -> None:
    for name, rules in MIRRORS.items():
        for i, (rule, shares) in enumerate(rules):
            await _copied(world, host_name(name), f"/anything/{i}", shares)
            changes = any(rule_filter["type"] == "RequestHeaderModifier" for rule_filter in rule["filters"])
            assert changes == (world.workloads["v1"].received[-1].headers.get("x-set") == "rule"), name


async def _copied(world: World, host: str, path: str, shares: Mapping[str, float]) -> None:
    def arrived(workload: str, query: str) -> int:
        requests = world.workloads[workload].received
        return sum((request.host, request.path) == (host, path + query) for request in requests)

    async def ask(query: str) -> None:
        assert (await world.get(host, RequestCase(path + query, "", SENT)))[0] == "v1"

    for _ in range(REQUESTS):  # a copy that cannot connect within a second is dropped
        if all(arrived(request, "?warm=1") for request in shares):
            break
        await ask("?warm=1")
    query = "?id=1&more=2"
    for _ in range(REQUESTS):
        await ask(query)
    bounds = {name: BOUNDS[share] for name, share in shares.items()}
    await until(lambda: all(arrived(n, query) >= least for n, (least, _) in bounds.items()), f"copies of {path} came")
    assert all(arrived(n, query) <= most for n, (_, most) in bounds.items()), path


async def _grants_are_withdrawn(world: World) -> None:
    """Without the grant nothing is forwarded, and no certificate is presented."""
    for grant in ("far", "secret-named"):
        await delete_object(world.stage, Ref(REFERENCE_GRANT.key, OTHER_NAMESPACE, grant))
    route_feature, secret_feature = "HTTPRouteReferenceGrant", "GatewaySecretReferenceGrantSpecific"
    assert (await world.get(host_name(route_feature), RequestCase("/anything", "")))[0] == "500"
    statuses = {ref.name: status for ref, status in await world.stage.app.status_updater.statuses()}
    (parent,) = statuses[route_name(route_feature, 0)]["parents"]
    assert conditions_of(parent) == {**ACCEPTED, "ResolvedRefs": "!RefNotPermitted"}

    async def shown() -> str:
        return (await world.get(host_name(secret_feature), OF_LISTENERS[secret_feature].requests[0]))[0]

    await eventually(shown, "closed")
