"""Routes of Services through real Envoys: every mesh feature (GAMMA) of Gateway API, and mirrors."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import aiohttp
import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.gateway_api import test_mesh_original_dst
from tests.e2e.support.manifests import NO_ACCESS_LOG, findings, join_manifests, nack_messages
from tests.e2e.support.mesh_features import (
    ALT,
    FEATURES,
    PORT,
    STAMP,
    RequestCase,
    filters,
    path_matches,
    route,
    rule_to,
    service_name,
    services,
)
from tests.e2e.support.sidecars import PROXY_PORT, Sidecar, free_address, sidecar

pytestmark = pytest.mark.envoy

REQUESTS = 200
ELSEWHERE = {
    "MeshHTTPRouteWeight": "test_requests_are_split_by_weight_and_mirrored",
    "MeshConsumerRoute": "test_a_consumer_route_applies_in_its_own_namespace_only",
    "MeshFrontend": "test_with_interception_the_original_destination_decides",
    "MeshFrontendHostname": "test_with_interception_the_original_destination_decides",
}
"""Features covered by a test of their own."""


def test_every_feature_of_the_profiles_has_a_test():
    core = {"MeshBasic", "MeshTrafficSplit", "MeshHTTPRouteWeight"}
    core |= {f"MeshHTTPRoute{n}" for n in ("Matching", "RedirectHostAndStatus", "RequestHeaderModifier")}
    extended = ("NamedRule", "QueryParamMatching", "RedirectPath", "RedirectPort", "SchemeRedirect", "RewritePath")
    more = {f"MeshHTTPRoute{n}" for n in (*extended, "BackendRequestHeaderModifier", "SimpleSameNamespace")}
    consumers = {"MeshFrontend", "MeshConsumerRoute", "MeshFrontendHostname", "MeshPorts"}
    assert FEATURES.keys() | ELSEWHERE.keys() >= core | more | consumers
    assert all(name in globals() or hasattr(test_mesh_original_dst, name) for name in ELSEWHERE.values())


class Client:
    """A client of a sidecar."""

    def __init__(self, session: aiohttp.ClientSession, beside: Sidecar) -> None:
        self._session, self._beside = session, beside

    async def get(self, host: str, ask: RequestCase) -> tuple[str, Mapping[str, str]]:
        """The workload that answered, or the status and Location; and the headers."""
        url, headers = self._beside.on(ask.port) + ask.path, {"Host": host, **ask.headers}
        async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
            await answer.read()
            location = answer.headers.get("Location", "")
            answerer = answer.headers["X-Workload"] if answer.status == 200 else f"{answer.status} {location}".strip()
            return answerer, answer.headers


async def test_a_sidecar_does_what_routes_of_services_say(stage: Stage, client: aiohttp.ClientSession):
    async with Workload("v1") as v1, Workload("v2") as v2:
        routes = (route(service_name(n), *f.rules, **f.parent) for n, f in FEATURES.items() if f.rules)
        service_names = map(service_name, FEATURES)
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, services(v1, "v1", *service_names), services(v2, "v2"), *routes)
        )
        assert not findings(stage)
        sidecar_client = Client(client, await sidecar(stage, PORT, ALT))
        by_name = {"v1": v1, "v2": v2}
        problems = [
            f"{name}: {ask.path}: {problem}"
            for name, feature in FEATURES.items()
            for ask in feature.requests
            for problem in await _problems(sidecar_client, by_name, service_name(name), ask)
        ]
        assert not problems, "\n".join(problems)
    assert not nack_messages(stage)


async def _problems(
    sidecar_client: Client, workloads: Mapping[str, Workload], host: str, ask: RequestCase
) -> list[str]:
    answerer, headers = await sidecar_client.get(host, ask)
    problems = [] if answerer == ask.expected else [f"{answerer} instead of {ask.expected}"]
    problems += [
        f"answered {n}: {headers.get(n)}" for n, value in ask.response_headers.items() if headers.get(n) != value
    ]
    if answerer in workloads:
        received = workloads[answerer].received[-1]
        problems += [
            f"got {n}: {received.headers.get(n)}"
            for n, value in ask.backend_headers.items()
            if received.headers.get(n) != value
        ]
        if ask.backend_path and received.path != ask.backend_path:
            problems.append(f"was forwarded as {received.path}")
    return problems


async def test_requests_are_split_by_weight_and_mirrored(stage: Stage, client: aiohttp.ClientSession):
    """Wide bounds: one run in ten million exceeds them."""
    async with Workload("v1") as v1, Workload("v2") as v2, Workload("copy") as copy:
        copied = filters("RequestMirror", {"backendRef": {"name": "copy", "port": PORT}})
        missing = filters("RequestMirror", {"backendRef": {"name": "nobody", "port": PORT}})
        rules = [
            rule_to("v1*7", "v2*3", "copy*0", matches=path_matches("/anything")),
            rule_to("v1", matches=path_matches("/anything/copied"), filters=copied + missing),
            {"matches": path_matches("/only"), "filters": copied},
        ]
        grounds = (services(v1, "v1", "echo"), services(v2, "v2"), services(copy, "copy"))
        await stage.apply(join_manifests(NO_ACCESS_LOG, *grounds, route("echo", *rules)))
        assert [f.reason for f in findings(stage)] == ["BackendNotFound"]
        sidecar_client = Client(client, await sidecar(stage, PORT, ALT))
        counts = Counter([(await sidecar_client.get("echo", RequestCase("/anything", "")))[0] for _ in range(REQUESTS)])
        assert counts.keys() == {"v1", "v2"}
        assert 105 <= counts["v1"] <= 175
        assert (await sidecar_client.get("echo", RequestCase("/only", "")))[0] == "500"
        assert not copy.received

        async def copies() -> None:
            while not copy.received:  # a copy that cannot connect within a second is dropped
                assert (await sidecar_client.get("echo", RequestCase("/anything/copied?x=1", "")))[0] == "v1"
                await asyncio.sleep(0.1)

        await asyncio.wait_for(copies(), 60)
        copied_request = copy.received[0]
        assert (copied_request.host, copied_request.path) == ("echo", "/anything/copied?x=1")
    assert not nack_messages(stage)


async def test_a_consumer_route_applies_in_its_own_namespace_only(stage: Stage, client: aiohttp.ClientSession):
    """Its backend and its mirror are in another namespace, which needs no ReferenceGrant in a mesh."""
    async with Workload("v1") as v1, Workload("v2") as v2:
        copied = filters("RequestMirror", {"backendRef": {"name": "v2", "namespace": "default", "port": PORT}})
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                services(v1, "v1"),
                services(v2, "v2"),
                route(
                    "v1", rule_to("v1", matches=path_matches("/anything"), filters=STAMP + copied), namespace="consumer"
                ),
            )
        )
        assert not findings(stage)
        producers = Client(client, await sidecar(stage, PORT, ALT))
        ip = free_address(PROXY_PORT, PORT, ALT)
        envoy = await stage.sidecar(Proxy("sidecar", "eater", "consumer", ip=ip))
        consumers = Client(client, Sidecar(envoy, ip))

        async def ask(source: Client, path: str) -> tuple[str, str | None]:
            answerer, headers = await source.get("v1.default", RequestCase(path, ""))
            return answerer, headers.get("X-Header-Set")

        assert await ask(consumers, "/anything") == ("v1", "set")
        assert await ask(producers, "/anything") == ("v1", None)
        while not v2.received:  # a copy that cannot connect within a second is dropped
            assert await ask(consumers, "/anything") == ("v1", "set")
        await stage.apply(route("v1", rule_to("v2")))
        assert await ask(producers, "/anything") == ("v2", None)
        assert await ask(consumers, "/anything") == ("v1", "set"), "a consumer route overrides the producer route"
        assert await ask(consumers, "/headers") == ("404", None)
    assert not nack_messages(stage)
