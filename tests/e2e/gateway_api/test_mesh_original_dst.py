"""Routes of Services with interception: the original destination decides. Real network namespaces and iptables."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mirrorplane.api.proxy import REDIRECT, Proxy
from mirrorplane.bootstrap.envoy import XdsAddress
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.settings import Address
from tests import fast_yaml as yaml
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, until
from tests.e2e.support.mesh_features import ALT, STAMP, manifest_yaml, path_matches, route, rule_to
from tests.e2e.support.pod_namespaces import Pod, network, unavailable

pytestmark = [pytest.mark.envoy, pytest.mark.skipif(bool(why := unavailable()), reason=why)]

ASK = """
import json, sys, urllib.error, urllib.request as u
asked = u.Request(sys.argv[1], headers={"Host": sys.argv[2]})
try:
    answer = u.build_opener(u.ProxyHandler({})).open(asked, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.headers.get("X-Workload"), answer.headers.get("X-Header-Set")]))
"""
STAY = """
import http.client, sys, time
held = http.client.HTTPConnection(sys.argv[1], 8080, timeout=60)
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    held.request("GET", "/anything", headers={"Host": "echo-v2"})
    answer = held.getresponse()
    answer.read()
    if answer.headers.get("X-Header-Set"):
        print("set", held.sock is not None and answer.headers.get("connection") != "close")
        break
    time.sleep(0.05)
"""
ADDRESSES = {"v1": "10.96.0.11", "v2": "10.96.0.12"}


class InterceptedMesh(msgspec.Struct, frozen=True):
    """A client and two Services with addresses, each of one Pod with a sidecar."""

    stage: Stage
    client: Pod
    pods: Mapping[str, Pod]

    def ask(self, address: str, host: str, path: str = "/anything") -> tuple[int, str | None, str | None]:
        answer: list[Any] = json.loads(self.client.python(ASK, f"http://{address}:{ALT}{path}", host))
        return answer[0], answer[1], answer[2]


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[InterceptedMesh]:
    folder = tmp_path / "mesh"
    folder.mkdir()
    with network() as wires:
        async with Stage(folder, Address(wires.host, 0)) as stage:
            pods = {name: wires.pod(name, i) for i, name in enumerate(("sleep", "v1", "v2"), 2)}
            for name, address in ADDRESSES.items():
                wires.answers_for(pods[name], address, pods["sleep"])
            await stage.apply(join_manifests(NO_ACCESS_LOG, *(_serving(name, pods[name]) for name in ADDRESSES)))
            for name, pod in pods.items():
                proxy = Proxy("sidecar", name, "default", pod.address, labels={"app": name}, interception=REDIRECT)
                wires.sidecar(pod, proxy, XdsAddress(wires.host, stage.xds.port), tmp_path)
                command = (
                    "-m",
                    "mirrorplane.controlplane.playground.workload",
                    "--name",
                    name,
                    "--address",
                    "0.0.0.0",
                    "--port",
                )
                wires.start(pod, sys.executable, *command, str(ALT), log=tmp_path / f"{name}.out")
            await until(lambda: len(list(stage.app.xds.statuses())) == len(pods), "all sidecars are connected")
            logs = [tmp_path / f"{name}.out" for name in pods]
            await until(lambda: all("Listening" in log.read_text() for log in logs), "all workloads listen")
            await stage.settled()
            yield InterceptedMesh(stage, pods["sleep"], pods)


def _serving(name: str, pod: Pod) -> str:
    """A Service with an address, and its Pod."""
    ports = [{"name": "http", "port": ALT}]
    spec = {"clusterIP": ADDRESSES[name], "selector": {"app": name}, "ports": ports}
    ready = {"podIP": pod.address, "conditions": [{"type": "Ready", "status": "True"}]}
    pod_manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "status": ready,
    }
    return join_manifests(manifest_yaml("Service", f"echo-{name}", spec, "v1"), yaml.safe_dump(pod_manifest))


async def test_with_interception_the_original_destination_decides(mesh: InterceptedMesh):
    v1, v2 = ADDRESSES["v1"], ADDRESSES["v2"]
    assert mesh.ask(v2, "echo-v2") == (200, "v2", None)
    staying = asyncio.create_task(asyncio.to_thread(mesh.client.python, STAY, v2))
    active = "http.outbound_0.0.0.0_8080;.downstream_cx_active"
    await until(lambda: mesh.client.stats(active) == {active: 1}, "the connection is there")
    ours = [{**ref, "name": "echo-v2", "port": ALT} for ref in rule_to("v2")["backendRefs"]]
    await mesh.stage.apply(
        route("echo-v2", {"matches": path_matches("/anything"), "filters": STAMP, "backendRefs": ours})
    )
    assert await staying == "set True", "the route applies to connections opened before it"
    assert mesh.ask(v2, "echo-v2") == (200, "v2", "set")
    assert mesh.ask(v2, "echo-v2", "/headers") == (404, None, None)
    pod = mesh.pods["v2"].address
    assert mesh.ask(pod, f"{pod}:{ALT}") == (200, "v2", None), "a Pod's own address is not the Service"
    assert mesh.ask(pod, "echo-v2") == (200, "v2", None)
    assert mesh.ask(v2, "echo-v1") == (200, "v2", "set")
    assert mesh.ask(v2, "anything.example.com") == (200, "v2", "set")
    assert mesh.ask(v1, "echo-v2") == (200, "v1", None)
    assert mesh.ask(v1, "echo-v1") == (200, "v1", None)
    assert not nack_messages(mesh.stage)
