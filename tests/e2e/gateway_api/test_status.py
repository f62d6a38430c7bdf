"""Statuses while real Envoys connect, accept, reject and disconnect."""

import asyncio
import json
import socket
import sys
from typing import Any

import pytest

from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.gateway_api.test_gateway import LABELS, edge_gateway, mirror, route, rule
from tests.e2e.support.edge_router import router
from tests.e2e.support.manifests import DEADLINE_S, NO_ACCESS_LOG, join_manifests

pytestmark = pytest.mark.envoy

HTTP, TAKEN = 18080, 18081
LISTENER, OTHER = ({"name": f"l{port}", "port": port, "protocol": "HTTP"} for port in (HTTP, TAKEN))


async def gateway_status(stage: Stage) -> dict[str, Any]:
    statuses = await stage.app.status_updater.statuses()
    return next(dict(status) for ref, status in statuses if ref.name == "edge")


def programmed(entry: Any) -> dict[str, Any]:
    return next(condition for condition in entry["conditions"] if condition["type"] == "Programmed")


def status_and_reason(entry: Any) -> str:
    condition = programmed(entry)
    return f"{condition['status']} {condition['reason']}"


async def wait_until_programmed_is(stage: Stage, expected: str) -> dict[str, Any]:
    """Return the Gateway's status once its Programmed condition is as expected."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + DEADLINE_S
    while status_and_reason(current_status := await gateway_status(stage)) != expected:
        assert clock.time() < deadline, f"Programmed is still {programmed(current_status)}, not {expected}"
        await asyncio.sleep(0.02)
    return current_status


@PROTOCOLS
async def test_a_gateway_is_programmed_when_its_proxies_have_accepted_it(stage: Stage, delta: bool):
    await stage.apply(join_manifests(NO_ACCESS_LOG, edge_gateway(LISTENER), route("web.example.com", rule("/", "web"))))
    assert "no connected proxy" in programmed(await wait_until_programmed_is(stage, "False Pending"))["message"]
    edge_router = await router(stage, HTTP, TAKEN, delta=delta, labels=LABELS)
    current_status = await wait_until_programmed_is(stage, "True Programmed")
    assert current_status["addresses"] == [{"type": "IPAddress", "value": edge_router.address}]
    assert [
        (listener_status["attachedRoutes"], status_and_reason(listener_status))
        for listener_status in current_status["listeners"]
    ] == [(1, "True Programmed")]
    await _rejects(stage, edge_router.address)
    await stage.apply(edge_gateway(LISTENER))
    since = programmed(await wait_until_programmed_is(stage, "True Programmed"))["lastTransitionTime"]
    await stage.apply(route("more.example.com", rule("/", "web")))
    current_status = await gateway_status(stage)
    assert (status_and_reason(current_status), current_status["listeners"][0]["attachedRoutes"]) == (
        "True Programmed",
        2,
    )
    assert programmed(current_status)["lastTransitionTime"] == since, "a route does not interrupt its Gateway"
    await edge_router.envoy.stop()
    await wait_until_programmed_is(stage, "False Pending")


async def _rejects(stage: Stage, address: str) -> None:
    """Add a listener on a port in use: its condition quotes Envoy's error, the others keep theirs."""
    with socket.create_server((address, TAKEN)):
        await stage.apply(edge_gateway(LISTENER, OTHER))
        current_status = await wait_until_programmed_is(stage, "False Invalid")
        assert [status_and_reason(listener_status) for listener_status in current_status["listeners"]] == [
            "True Programmed",
            "False Invalid",
        ]
        for entry in (current_status, current_status["listeners"][1]):
            assert "gateway.default rejects Listener: " in programmed(entry)["message"]
            assert f"_{TAKEN}" in programmed(entry)["message"]


async def test_the_status_command_shows_the_statuses_of_a_running_control_plane(stage: Stage):
    broken = rule("/", "missing", filters=(mirror("gone"),))
    await stage.apply(join_manifests(NO_ACCESS_LOG, edge_gateway(LISTENER), route("web.example.com", broken)))
    output = await _status_output(stage)
    assert "default    edge" in output
    assert "Gateway default/edge: Programmed=False (Pending): no connected proxy serves it" in output
    assert "HTTPRoute default/web.example.com, parent edge: ResolvedRefs=False (BackendNotFound): " in output
    rows = json.loads(await _status_output(stage, "-o", "json"))["items"]
    assert [(row["kind"], row["metadata"]["name"]) for row in rows] == [
        ("Gateway", "edge"),
        ("GatewayClass", "ours"),
        ("HTTPRoute", "web.example.com"),
    ]


async def _status_output(stage: Stage, *options: str) -> str:
    address = f"127.0.0.1:{stage.app.admin_port}"
    command = [sys.executable, "-m", "mirrorplane.controlplane.cli", "status", "--admin-address", address, *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()
