"""A resource that a real Envoy rejects is reported on it and on the object that caused it, with file and line.

No known input makes Envoy reject what Mirrorplane builds, so a bug is planted: a Service with the label `planted` puts
one domain twice into the routes of its port.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import ROUTE, Resource
from mirrorplane.controlplane.app import App
from mirrorplane.controlplane.engine.catalogue import Catalogue, catalogue
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.translators import envoy
from mirrorplane.translators.outputs import sidecar_routes
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.support.manifests import join_manifests, mesh_config, until
from tests.e2e.support.sidecars import Sidecar, sidecar

pytestmark = pytest.mark.envoy

PORT = 8001
WEB, SHOP = service("web", PORT), service("shop", PORT)
PLANTED = SHOP.replace("  name: shop\n", "  name: shop\n  labels: {planted: 'yes'}\n")
ROUTES, CULPRIT = Ref("RouteConfiguration", "", str(PORT)), Ref("Service", "default", "shop")


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A control plane with the bug, on a folder with two services on one port."""
    monkeypatch.setattr("mirrorplane.controlplane.app.catalogue", catalogue_with_bug)
    (tmp_path / "mesh.yaml").write_text(mesh_manifests(SHOP))
    async with Stage(tmp_path) as stage:
        yield stage


@PROTOCOLS
async def test_a_rejection_is_reported_on_the_object_that_caused_it_until_it_is_fixed(stage: Stage, delta: bool):
    envoy_sidecar = await sidecar(stage, PORT, delta=delta)
    assert stage.app.plane.findings.all() == ()

    stage.write("mesh.yaml", mesh_manifests(PLANTED))
    await until(lambda: CULPRIT in rejected(stage), "Envoy rejected the routes, and the cause was found")
    await stage.settled()
    findings = rejected(stage)
    assert findings.keys() == {ROUTES, CULPRIT}, "web is built into the same routes, but did not change"
    for finding in findings.values():
        assert finding.reason == "Rejected"
        assert "Only unique values for domains are permitted" in finding.message
    assert str(ROUTES) in findings[CULPRIT].message
    assert Path(findings[CULPRIT].file).name == "mesh.yaml"
    assert findings[CULPRIT].line == first_line_of(mesh_manifests(PLANTED), "shop")
    await assert_rejection_is_reported(stage.app, envoy_sidecar)

    stage.write("mesh.yaml", mesh_manifests(SHOP))
    await until(lambda: not stage.app.plane.findings.all(), "Envoy accepted the routes again")
    await stage.settled()
    assert "REJECTED" not in await proxies(stage.app)


async def test_the_rejections_of_a_proxy_are_removed_when_it_disconnects(stage: Stage):
    envoy_sidecar = await sidecar(stage, PORT)
    stage.write("mesh.yaml", mesh_manifests(PLANTED))
    await until(lambda: bool(stage.app.plane.findings.all()), "Envoy rejected the routes")
    await envoy_sidecar.envoy.stop()
    await until(lambda: not stage.app.plane.findings.all(), "the rejection is removed")


def rejected(stage: Stage) -> dict[Ref, Finding]:
    """The findings by what they are about. That on the resource comes first: the objects it was built from are searched
    in the background."""
    return {finding.about: finding for finding in stage.app.plane.findings.all()}


async def assert_rejection_is_reported(app: App, envoy_sidecar: Sidecar) -> None:
    """Look for the rejection in the metrics, the debug page and the command line."""
    async with aiohttp.ClientSession() as client:
        metrics = await (await client.get(f"http://127.0.0.1:{app.admin_port}/metrics")).text()
        findings = await (await client.get(f"http://127.0.0.1:{app.admin_port}/debug/findings")).json()
    rejects = [line for line in metrics.splitlines() if line.startswith('mirrorplane_xds_rejects_total{type="RouteC')]
    assert float(rejects[0].split()[1]) >= 1
    assert 'mirrorplane_findings{severity="error"} 2.0' in metrics
    assert "mirrorplane_xds_pending 0.0" in metrics
    assert "Service default/shop" in {finding["object"] for finding in findings}
    table = await proxies(app)
    assert "sleep.default: RDS rejected: " in table
    assert "Only unique values for domains are permitted" in table
    [row] = json.loads(await proxies(app, "-o", "json"))
    assert {name: type_state["state"] for name, type_state in row["types"].items()} == {
        "CDS": "SYNCED",
        "LDS": "SYNCED",
        "EDS": "SYNCED",
        "RDS": "REJECTED",
    }
    assert row["id"].split("~")[1] == envoy_sidecar.address


async def proxies(app: App, *flags: str) -> str:
    """Run `mirrorplane proxies`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "mirrorplane.controlplane.cli", "proxies", "--admin-address", f"127.0.0.1:{app.admin_port}", *flags),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


def mesh_manifests(shop: str) -> str:
    """Two services on one port; the port's routes are the only ones."""
    return join_manifests(mesh_config({"proxyHttpPort": 0}), WEB, shop)


def first_line_of(text: str, name: str) -> int:
    """The line (from 1) on which the document of an object begins."""
    before = text[: text.index(f"name: {name}")]
    return before[: before.rindex("apiVersion")].count("\n") + 1


def catalogue_with_bug() -> Catalogue:
    """The catalogue, with the bug in its routes."""
    routes = sidecar_routes.OUTPUT

    def build(view, key, name: str) -> Resource | None:
        resource = routes.build(view, key, name)
        services = view.by("service.host", "shop.default.svc.cluster.local")
        if resource is None or not any("planted" in obj.labels for obj in services):
            return resource
        body = envoy.RouteConfiguration.FromString(resource.body)
        body.virtual_hosts.extend(envoy.VirtualHost(name=name, domains=["twice"]) for name in ("a", "b"))
        return envoy.resource(ROUTE, name, envoy.encode(body), uses=resource.uses)

    outputs = tuple(msgspec.structs.replace(o, build=build) if o is routes else o for o in catalogue().outputs)
    return msgspec.structs.replace(catalogue(), outputs=outputs)
