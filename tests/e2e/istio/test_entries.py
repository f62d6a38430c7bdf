"""ServiceEntries through a real Envoy: several for one host, Unix sockets, names in certificates."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.e2e.support.manifests import findings, join_manifests, mesh_config
from tests.e2e.support.sidecars import Sidecar, sidecar
from tests.e2e.support.tls_workload import TlsWorkload

pytestmark = pytest.mark.envoy

HOST, PORT, MORE = "api.example.com", 9000, 9001
OK, UNAVAILABLE = 200, 503


def service_entry(name: str, *endpoints: Mapping[str, Any], **spec: Any) -> str:
    """A ServiceEntry for the host, with these endpoints."""
    all_fields = {
        "hosts": [HOST],
        "ports": [{"number": PORT, "name": "http", "protocol": "HTTP"}],
        "resolution": "STATIC",
        "endpoints": [dict(endpoint) for endpoint in endpoints],
        **spec,
    }
    return _istio("ServiceEntry", name, all_fields)


def _istio(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    manifest = {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": dict(spec),
    }
    text: str = yaml.safe_dump(manifest)
    return text


async def request(envoy: Sidecar, client: aiohttp.ClientSession, port: int = PORT) -> tuple[int, str]:
    async with client.get(f"http://{HOST}:{port}/anything", proxy=envoy.proxy) as answer:
        return answer.status, answer.headers.get("X-Workload", "")


async def test_several_entries_for_one_host_share_endpoints_and_ports(stage: Stage, client: aiohttp.ClientSession):
    async with Workload("first") as first_workload, Workload("second") as second_workload:
        entries = [
            service_entry(workload.name, {"address": "127.0.0.1", "ports": {"http": workload.port}})
            for workload in (first_workload, second_workload)
        ]
        balanced = {"host": HOST, "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}}
        more = {"number": MORE, "name": "http-more", "protocol": "HTTP"}
        entries += [
            service_entry("a", {"address": "127.0.0.1", "ports": {"http-more": first_workload.port}}, ports=[more])
        ]
        await stage.apply(join_manifests(mesh_config({}), *entries, _istio("DestinationRule", "api", balanced)))
        envoy = await sidecar(stage, PORT, MORE)
        reached = Counter([await request(envoy, client) for _ in range(6)])
        assert reached == {(OK, "first"): 3, (OK, "second"): 3}
        assert await request(envoy, client, MORE) == (OK, "first")


async def test_endpoints_without_address_leave_their_host_to_other_entries(stage: Stage, client: aiohttp.ClientSession):
    far = service_entry("far", {"network": "far"}, resolution="DNS")
    await stage.apply(join_manifests(mesh_config({}), far))
    envoy = await sidecar(stage, PORT)
    assert await request(envoy, client) == (UNAVAILABLE, ""), "DNS does not resolve the host instead"
    async with Workload("near") as workload:
        near = {"address": "localhost", "ports": {"http": workload.port}}
        await stage.apply(service_entry("near", near, resolution="DNS"))
        assert await request(envoy, client) == (OK, "near")


async def test_a_unix_socket_on_the_proxys_machine_is_dialled(
    stage: Stage, client: aiohttp.ClientSession, tmp_path: Path
):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=request.path, headers={"X-Workload": "socket"})

    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.2)
    await runner.setup()
    try:
        path = tmp_path / "s"
        await web.UnixSite(runner, str(path)).start()
        await stage.apply(join_manifests(mesh_config({}), service_entry("api", {"address": f"unix://{path}"})))
        assert await request(await sidecar(stage, PORT), client) == (OK, "socket")
    finally:
        await runner.cleanup()


async def test_the_certificate_must_match_a_subject_alt_name_of_the_entry(
    stage: Stage, client: aiohttp.ClientSession, tmp_path: Path
):
    async with TlsWorkload(tmp_path, "one.example.com") as secured:
        endpoint = {"address": "127.0.0.1", "ports": {"http": secured.port}}
        tls = {"mode": "SIMPLE", "caCertificates": str(secured.ca), "sni": "one.example.com"}
        rule = _istio("DestinationRule", "api", {"host": HOST, "trafficPolicy": {"tls": tls}})
        by_entry = service_entry("api", endpoint, subjectAltNames=["spiffe://a/b", "one.example.com"])
        await stage.apply(join_manifests(mesh_config({}), by_entry, rule))
        envoy = await sidecar(stage, PORT)
        assert await request(envoy, client) == (OK, "secured")
        await stage.apply(service_entry("api", endpoint, subjectAltNames=["two.example.com"]))
        assert (await request(envoy, client))[0] == UNAVAILABLE
        by_rule = {**tls, "subjectAltNames": ["one.example.com"]}
        await stage.apply(_istio("DestinationRule", "api", {"host": HOST, "trafficPolicy": {"tls": by_rule}}))
        assert await request(envoy, client) == (OK, "secured"), "the rule takes precedence over the entry"
        assert not findings(stage)


async def test_an_entry_exported_to_no_namespace_is_unknown(stage: Stage, client: aiohttp.ClientSession):
    async with Workload("first") as workload:
        endpoint = {"address": "127.0.0.1", "ports": {"http": workload.port}}
        strict = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
        # Another service keeps the port's listener there.
        other_entry = _istio(
            "ServiceEntry",
            "other",
            {
                "hosts": ["other.example.com"],
                "ports": [{"number": PORT, "name": "http", "protocol": "HTTP"}],
                "resolution": "STATIC",
            },
        )
        await stage.apply(join_manifests(mesh_config(strict), other_entry, service_entry("api", endpoint)))
        envoy = await sidecar(stage, PORT)
        assert await request(envoy, client) == (OK, "first")
        await stage.apply(service_entry("api", endpoint, exportTo=["~"]))
        assert (await request(envoy, client))[0] == 502
