"""A real Envoy serves exactly what a route's status and `check` report."""

from typing import Any

import aiohttp
import pytest

from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.gateway_api.test_gateway import LABELS, edge_gateway, mirror, route, rule, services_for
from tests.e2e.support.edge_router import Router, router
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages

pytestmark = pytest.mark.envoy

HTTP, HOST = 18080, "web.example.com"
MUTUAL = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: copy}
spec: {host: copy, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
"""
HOST_SET = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Host", "value": "x.y"}]}}
RULES = (
    rule("/anything/mirrored", "web", filters=(mirror("copy"),)),
    {**rule("/", "web"), "matches": [{"path": {"type": "RegularExpression", "value": "/anything/regex([a-z"}}]},
    rule("/anything/host", "web", filters=(HOST_SET,)),
)


@PROTOCOLS
async def test_status_and_envoy_agree(stage: Stage, client: aiohttp.ClientSession, delta: bool):
    listener = {"name": "http", "port": HTTP, "protocol": "HTTP"}
    async with Workload("web") as web, Workload("copy") as copy:
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, edge_gateway(listener), route(HOST, *RULES), services_for(web, copy), MUTUAL)
        )
        edge_router = await router(stage, HTTP, delta=delta, labels=LABELS)
        statuses = [await _status(client, edge_router, f"/anything/{path}") for path in ("mirrored", "regexa", "host")]
        assert statuses == [200, 404, 500]
        assert len(web.received) == 1
        assert copy.received == []
    conditions = await _conditions(stage)
    resolved = conditions["ResolvedRefs"]
    assert (resolved["status"], resolved["reason"]) == ("False", "MirrorNotCallable")
    assert conditions["PartiallyInvalid"]["message"].startswith("Dropped Rule 1, 2: ")
    reported = [finding.message for finding in stage.app.plane.findings.all() if finding.about.name == HOST]
    messages = resolved["message"] + conditions["PartiallyInvalid"]["message"]
    assert len(reported) == 3
    assert all(message in messages for message in reported)
    assert not nack_messages(stage)


async def _status(client: aiohttp.ClientSession, edge_router: Router, path: str) -> int:
    async with client.get(edge_router.url("http", HTTP, path), headers={"Host": HOST}) as answer:
        return answer.status


async def _conditions(stage: Stage) -> dict[str, Any]:
    (parent,) = next(status for ref, status in await stage.app.status_updater.statuses() if ref.name == HOST)["parents"]
    return {condition["type"]: condition for condition in parent["conditions"]}
