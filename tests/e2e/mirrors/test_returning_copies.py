"""Mirrors that lead back to the router that copies: one request is copied once, and not for ever."""

from collections import Counter

import aiohttp
import pytest

from mirrorplane.api.mirrors import COPY_HEADER
from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.gateway_api.test_gateway import edge_gateway, mirror, rule
from tests.e2e.gateway_api.test_gateway import route as http_route
from tests.e2e.support.edge_router import LABELS, edge_virtual_service, gateway, router, server
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, route, until_copied

pytestmark = pytest.mark.envoy

GATEWAY_API, ISTIO = 18080, 18081
REQUESTS = 20
ROUTER = LABELS | {"gateway.networking.k8s.io/gateway-name": "edge"}


def returning(name: str, address: str, port: int, port_name: str) -> str:
    """A Service whose only Pod is the router."""
    pod = local_pod(name, name, ROUTER, port, port_name).replace("127.0.0.1", address)
    return join_manifests(service(name, 80, port_name), pod)


def marks(workload: Workload) -> Counter[str | None]:
    """How many originals arrived (None), and how many copies ("true")."""
    return Counter(request.headers.get(COPY_HEADER) for request in workload.received)


async def test_a_mirror_that_returns_to_its_router_copies_each_request_once(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    async with Workload("web") as web, Workload("other") as other:
        edge_router = await router(stage, GATEWAY_API, ISTIO, labels=ROUTER)
        workloads = (
            join_manifests(service(w.name, 80), local_pod(w.name, w.name, {"app": w.name}, w.port))
            for w in (web, other)
        )
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                *workloads,
                # Copies without a suffix, by HTTP/1.1; and with one, to a host that covers it, by HTTP/2.
                returning("back", edge_router.address, GATEWAY_API, "http"),
                edge_gateway({"name": "http", "port": GATEWAY_API, "protocol": "HTTP"}),
                http_route("web.example.com", rule("/", "web", filters=(mirror("back"),))),
                returning("back2", edge_router.address, ISTIO, "http2"),
                gateway(server(ISTIO, "HTTP", "*"), name="wide"),
                edge_virtual_service(
                    "all",
                    ["*"],
                    gateways=["wide"],
                    http=[{"route": route(("other", "", 1)), "mirror": {"host": "back2"}}],
                ),
            )
        )
        for port, workload in ((GATEWAY_API, web), (ISTIO, other)):

            async def send(url: str = edge_router.url("http", port), name: str = workload.name) -> None:
                async with client.get(url, headers={"Host": "web.example.com"}) as answer:
                    assert (answer.status, answer.headers["X-Workload"]) == (200, name)

            for count in range(1, REQUESTS + 1):
                await until_copied(send, lambda count=count, workload=workload: marks(workload)["true"] >= count)
            assert marks(workload)["true"] <= marks(workload)[None], "a copy is not copied again"
    assert not nack_messages(stage)
