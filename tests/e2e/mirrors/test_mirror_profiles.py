"""Two mirrors of one target, each with its own guards: a real Envoy copies as much as each of them allows."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from mirrorplane.controlplane import app
from mirrorplane.controlplane.playground import stage as stages
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.support.manifests import DEADLINE_S, NO_ACCESS_LOG, join_manifests, route, versions, virtual_service
from tests.e2e.support.sidecars import sidecar
from tests.mirror_policies import catalogue_with_policies, policy_manifest

pytestmark = pytest.mark.envoy

KIB, PORT = 1 << 10, 8000


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A control plane that reads MirrorPolicies too."""
    for module in (app, stages):
        monkeypatch.setattr(module, "catalogue", catalogue_with_policies)
    async with Stage(tmp_path) as stage:
        yield stage


async def test_each_mirror_copies_bodies_up_to_its_own_limit(stage: Stage, client: aiohttp.ClientSession) -> None:
    async with Workload("live") as live, Workload("copy") as copy:
        await stage.apply(join_manifests(NO_ACCESS_LOG, service("web", PORT), versions("web", [live.port])))
        await stage.apply(join_manifests(service("copy", PORT), versions("copy", [copy.port])))
        small = policy_manifest("small", {"maxBodyBytes": KIB, "headers": {"x-mirror": "small"}})
        large = policy_manifest("large", {"maxBodyBytes": 64 * KIB, "headers": {"x-mirror": "large"}})
        mirrors = [{"destination": {"host": "copy"}}, {"destination": {"host": "copy"}}]
        rule = virtual_service("web", {"route": route(("web", "", 1)), "mirrors": mirrors})
        annotated = rule.replace("name: web", "name: web\n  annotations: {mirror-policies: small large}", 1)
        await stage.apply(join_manifests(small, large, annotated))
        proxy = (await sidecar(stage, PORT)).proxy
        for size in (512, 32 * KIB, 128 * KIB, 1):
            async with client.post(f"http://web:{PORT}/post?{size}", data=b"x" * size, proxy=proxy) as answer:
                assert answer.status == 200
        async with asyncio.timeout(DEADLINE_S):
            while len(complete_copies(copy)) < 5:
                await asyncio.sleep(0.05)
        assert complete_copies(copy) == {
            ("small", 512), ("large", 512), ("large", 32 * KIB), ("small", 1), ("large", 1)
        }  # fmt: skip
        assert {r.size for r in live.received} == {512, 32 * KIB, 128 * KIB, 1}
        assert not any("x-mirror" in r.headers for r in live.received)


def complete_copies(copy: Workload) -> set[tuple[str, int]]:
    """The copies whose body arrived completely, by mirror and size."""
    return {(r.headers["x-mirror"], r.size) for r in copy.received if r.path == f"/post?{r.size}"}
