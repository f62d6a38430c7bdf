"""Istio's MeshConfig from its ConfigMap, through a real Envoy."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from mirrorplane.api.settings import PathForm
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from mirrorplane.translators.matching.path_normalization import apply_path_form
from tests import fast_yaml as yaml
from tests.e2e.support.manifests import join_manifests, mesh_config, versions
from tests.e2e.support.raw_http import send_raw
from tests.e2e.support.sidecars import sidecar

pytestmark = pytest.mark.envoy

PORT = 8000
BAD_REQUEST, NO_UPSTREAM = 400, 502
FORMS = {
    "NONE": PathForm.UNCHANGED,
    "BASE": PathForm.BASE,
    "MERGE_SLASHES": PathForm.MERGED,
    "DECODE_AND_MERGE_SLASHES": PathForm.DECODED,
}
PATHS = (
    *("/a/b", "/a//b", "//a/b", "/a/./b//../c", "/a%2Fb", "/a%2fb%5Cc", "/a%5c%5Cb", "/a\\b", "/%2e%2e/a", "/a%252Fb"),
    *("/a///b?x=//y%2F", "/a%2F..%2Fb", "/", "//", "/a/?//", "/a%2f%2fb/", "/..//..//"),
)


def istio_mesh_config(settings: Mapping[str, Any]) -> str:
    """Istio's ConfigMap with these settings."""
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": yaml.safe_dump(dict(settings))},
    }
    text: str = yaml.safe_dump(manifest)
    return text


@pytest.mark.parametrize("name", FORMS)
async def test_paths_are_normalized_as_the_mesh_config_and_explain_say(stage: Stage, name: str):
    async with Workload("v1") as workload:
        paths = istio_mesh_config({"pathNormalization": {"normalization": name}})
        await stage.apply(
            join_manifests(mesh_config({}), paths, service("web", PORT), versions("web", [workload.port]))
        )
        envoy = await sidecar(stage, PORT)
        for path in PATHS:
            workload.received.clear()
            answer = await send_raw((envoy.address, PORT), f"GET {path}", (("host", "web"),))
            expected = apply_path_form(path, FORMS[name])
            arrived = [request.path for request in workload.received]
            assert arrived == ([expected] if expected is not None else []), path
            assert (answer.status == BAD_REQUEST) == (expected is None), path


async def test_services_without_export_to_have_the_visibility_of_the_mesh_config(
    stage: Stage, client: aiohttp.ClientSession
):
    far = service("far", PORT).replace("metadata:", "metadata:\n  namespace: elsewhere", 1)
    strict = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
    await stage.apply(join_manifests(mesh_config({}), istio_mesh_config(strict), service("web", PORT), far))
    envoy = await sidecar(stage, PORT)

    async def status(host: str) -> int:
        async with client.get(f"http://{host}:{PORT}/", proxy=envoy.proxy) as answer:
            return answer.status

    nobody_there = 503
    assert (await status("web"), await status("far.elsewhere")) == (nobody_there, nobody_there)
    await stage.apply(istio_mesh_config({**strict, "defaultServiceExportTo": ["."]}))
    assert (await status("web"), await status("far.elsewhere")) == (nobody_there, NO_UPSTREAM)
    await stage.apply(istio_mesh_config({**strict, "defaultServiceExportTo": ["~"]}))
    assert (await status("web"), await status("far.elsewhere")) == (NO_UPSTREAM, NO_UPSTREAM)
    await stage.apply(istio_mesh_config({**strict, "defaultServiceExportTo": ["default"]}))
    assert (await status("web"), await status("far.elsewhere")) == (nobody_there, nobody_there)
