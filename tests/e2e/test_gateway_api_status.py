"""Statuses while real Envoys come, accept, reject and leave."""

import asyncio
import json
import socket
import sys
from typing import Any

import pytest

from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.edge_router import router
from tests.e2e.manifests import DEADLINE_S, QUIET, joined
from tests.e2e.test_gateway_api import LABELS, edge, mirror, route, rule

pytestmark = pytest.mark.envoy

HTTP, TAKEN = 18080, 18081
LISTENER, OTHER = ({"name": f"l{port}", "port": port, "protocol": "HTTP"} for port in (HTTP, TAKEN))


async def of_gateway(stage: Stage) -> dict[str, Any]:
    statuses = await stage.app.status_updater.statuses()
    return next(dict(status) for ref, status in statuses if ref.name == "edge")


def programmed(entry: Any) -> dict[str, Any]:
    return next(condition for condition in entry["conditions"] if condition["type"] == "Programmed")


def brief(entry: Any) -> str:
    condition = programmed(entry)
    return f"{condition['status']} {condition['reason']}"


async def becomes(stage: Stage, expected: str) -> dict[str, Any]:
    """The Gateway's status, once Programmed is this."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + DEADLINE_S
    while brief(gateway_status := await of_gateway(stage)) != expected:
        assert clock.time() < deadline, f"Programmed is still {programmed(gateway_status)}, not {expected}"
        await asyncio.sleep(0.02)
    return gateway_status


@PROTOCOLS
async def test_a_gateway_is_programmed_when_its_proxies_have_accepted_it(stage: Stage, delta: bool):
    await stage.apply(joined(QUIET, edge(LISTENER), route("web.example.com", rule("/", "web"))))
    assert "no connected proxy" in programmed(await becomes(stage, "False Pending"))["message"]
    edge_router = await router(stage, HTTP, TAKEN, delta=delta, labels=LABELS)
    gateway_status = await becomes(stage, "True Programmed")
    assert gateway_status["addresses"] == [{"type": "IPAddress", "value": edge_router.address}]
    assert [
        (listener_status["attachedRoutes"], brief(listener_status)) for listener_status in gateway_status["listeners"]
    ] == [(1, "True Programmed")]
    since = programmed(gateway_status)["lastTransitionTime"]
    await _rejects(stage, edge_router.address)
    await stage.apply(edge(LISTENER))
    gateway_status = await becomes(stage, "True Programmed")
    assert programmed(gateway_status["listeners"][0])["lastTransitionTime"] == since, "that one was served all the time"
    await stage.apply(route("more.example.com", rule("/", "web")))
    gateway_status = await of_gateway(stage)
    assert (brief(gateway_status), gateway_status["listeners"][0]["attachedRoutes"]) == ("True Programmed", 2)
    await edge_router.envoy.stop()
    await becomes(stage, "False Pending")


async def _rejects(stage: Stage, address: str) -> None:
    """Ask for a listener on a port that is taken: its condition says what Envoy says, the others stand."""
    with socket.create_server((address, TAKEN)):
        await stage.apply(edge(LISTENER, OTHER))
        gateway_status = await becomes(stage, "False Invalid")
        assert [brief(listener_status) for listener_status in gateway_status["listeners"]] == [
            "True Programmed",
            "False Invalid",
        ]
        for entry in (gateway_status, gateway_status["listeners"][1]):
            assert "gateway.default rejects Listener: " in programmed(entry)["message"]
            assert f"_{TAKEN}" in programmed(entry)["message"]


async def test_the_command_shows_what_a_running_control_plane_knows(stage: Stage):
    broken = rule("/", "missing", filters=(mirror("gone"),))
    await stage.apply(joined(QUIET, edge(LISTENER), route("web.example.com", broken)))
    output = await _said(stage)
    assert "default    edge" in output
    assert "Gateway default/edge: Programmed=False (Pending): no connected proxy serves it" in output
    assert "HTTPRoute default/web.example.com, parent edge: ResolvedRefs=False (BackendNotFound): " in output
    rows = json.loads(await _said(stage, "-o", "json"))["items"]
    assert [(row["kind"], row["metadata"]["name"]) for row in rows] == [
        ("Gateway", "edge"),
        ("GatewayClass", "ours"),
        ("HTTPRoute", "web.example.com"),
    ]


async def _said(stage: Stage, *options: str) -> str:
    address = f"127.0.0.1:{stage.app.admin_port}"
    command = [sys.executable, "-m", "mirrorplane.controlplane.cli", "status", "--admin-address", address, *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()
