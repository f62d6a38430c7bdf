"""Mirrors that lead back to the router that copies: one request is copied once, and not for ever."""

from collections import Counter
from functools import partial

import aiohttp
import pytest

from mirrorplane.api.mirrors import COPY_HEADER
from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.gateway_api.test_gateway import edge_gateway, gateway_api_object, mirror, rule, services_for
from tests.e2e.support.edge_router import LABELS, edge_virtual_service, gateway, router, server
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, route, until_copied

pytestmark = pytest.mark.envoy

GATEWAY_API, ISTIO, FIRST, SECOND = 18080, 18081, 18082, 18083
REQUESTS = 20
ROUTER = LABELS | {"gateway.networking.k8s.io/gateway-name": "edge"}


def returning(name: str, address: str, port: int, port_name: str) -> str:
    """A Service whose only Pod is the router."""
    pod = local_pod(name, name, ROUTER, port, port_name).replace("127.0.0.1", address)
    return join_manifests(service(name, 80, port_name), pod)


def bound(listener: str, backend: str, target: str) -> str:
    """A route at one listener of the Gateway, all for the same host, which copies to a Service."""
    rules = [rule("/", backend, filters=(mirror(target),))]
    parent = {"name": "edge", "sectionName": listener}
    spec = {"parentRefs": [parent], "hostnames": ["web.example.com"], "rules": rules}
    return gateway_api_object("HTTPRoute", listener, spec)


def marks(workload: Workload) -> Counter[int]:
    """How many requests arrived, by the number of rules that copied them: 0 of originals, 1 of their copies."""
    headers = (request.headers.get(COPY_HEADER, "") for request in workload.received)
    return Counter(len(header.split(",")) if header else 0 for header in headers)


async def test_a_mirror_that_returns_to_its_router_copies_each_request_once(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    async with (
        Workload("web") as web,
        Workload("other") as other,
        Workload("first") as first,
        Workload("second") as last,
    ):
        edge_router = await router(stage, GATEWAY_API, ISTIO, FIRST, SECOND, labels=ROUTER)
        listeners = {"http": GATEWAY_API, "first": FIRST, "second": SECOND}
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                services_for(web, other, first, last),
                edge_gateway(*({"name": n, "port": port, "protocol": "HTTP"} for n, port in listeners.items())),
                # Copies without a suffix, by HTTP/1.1; and with one, to a host that covers it, by HTTP/2.
                returning("back", edge_router.address, GATEWAY_API, "http"),
                bound("http", "web", "back"),
                returning("back2", edge_router.address, ISTIO, "http2"),
                gateway(server(ISTIO, "HTTP", "*"), name="wide"),
                edge_virtual_service(
                    "all",
                    ["*"],
                    gateways=["wide"],
                    http=[{"route": route(("other", "", 1)), "mirror": {"host": "back2"}}],
                ),
                # Two rules that copy to each other.
                returning("to-second", edge_router.address, SECOND, "http2"),
                bound("first", "first", "to-second"),
                returning("to-first", edge_router.address, FIRST, "http"),
                bound("second", "second", "to-first"),
            )
        )

        async def send(port: int, name: str) -> None:
            async with client.get(edge_router.url("http", port), headers={"Host": "web.example.com"}) as answer:
                assert (answer.status, answer.headers["X-Workload"]) == (200, name)

        for port, workload in ((GATEWAY_API, web), (ISTIO, other)):
            for count in range(1, REQUESTS + 1):
                await until_copied(partial(send, port, workload.name), partial(arrived, workload, 1, count))
            assert marks(workload)[0] >= marks(workload)[1], "a copy is not copied again"
            assert set(marks(workload)) == {0, 1}
        for count in range(1, REQUESTS + 1):
            await until_copied(partial(send, FIRST, "first"), partial(arrived, first, 2, count))
        assert set(marks(first)) == {0, 2}, "the copy of a copy is not copied by the rule that it began at"
        assert set(marks(last)) == {1}, "a copy of another rule is copied"
        assert marks(first)[0] >= max(marks(last)[1], marks(first)[2]), "each at most once"
    assert not nack_messages(stage)


def arrived(workload: Workload, rules: int, count: int) -> bool:
    """Tell whether this many requests arrived that this many rules had copied."""
    return marks(workload)[rules] >= count
