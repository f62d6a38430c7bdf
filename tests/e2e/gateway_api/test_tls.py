"""A real Envoy as the router of a Gateway: TLS to backends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import trustme

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from tests import fast_yaml as yaml
from tests.controlplane.identity.issuers import SLEEP, Authority
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.gateway_api.test_gateway import LABELS, edge_gateway, gateway_api_object, mirror, route
from tests.e2e.istio.test_gateways import Echo
from tests.e2e.support.edge_router import Router, router
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, until
from tests.e2e.support.tls_workload import TlsWorkload

pytestmark = pytest.mark.envoy

HTTP = 18080
WEB, BACKEND, OTHER = "web.example.com", "backend.example.com", "other.example.com"


def config_map(name: str, *authorities: bytes) -> str:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    text: str = yaml.safe_dump({**manifest, "data": {"ca.crt": b"".join(authorities).decode()}})
    return text


def policy(name: str, target: str, *authorities: str, port: str = "", **validation: Any) -> str:
    """A BackendTLSPolicy for a Service and ConfigMaps with CAs; without any, the system's CAs are trusted."""
    refs = [{"group": "", "kind": "ConfigMap", "name": config_map_name} for config_map_name in authorities]
    trust: Mapping[str, Any] = {"caCertificateRefs": refs} if refs else {"wellKnownCACertificates": "System"}
    target_ref = {"group": "", "kind": "Service", "name": target, **({"sectionName": port} if port else {})}
    spec = {"hostname": BACKEND, **trust, **validation}
    return gateway_api_object("BackendTLSPolicy", name, {"targetRefs": [target_ref], "validation": spec})


def secured(name: str, workload: TlsWorkload) -> str:
    pod = local_pod(name, name, {"app": name}, workload.port, "https")
    return join_manifests(service(name, 443, "https"), pod)


def rule(name: str, *copies: str) -> dict[str, Any]:
    filters = [mirror(copy) for copy in copies]
    for mirror_filter in filters:
        mirror_filter["requestMirror"]["backendRef"]["port"] = 443
    return {"backendRefs": [{"name": name, "port": 443}], "filters": filters}


async def status(client: aiohttp.ClientSession, edge_router: Router, path: str = "/") -> int:
    async with client.get(edge_router.url("http", HTTP, path), headers={"Host": WEB}) as answer:
        await answer.read()
        return answer.status


async def wait_for_status(client: aiohttp.ClientSession, edge_router: Router, expected: int) -> None:
    """Send requests until a status is answered: referenced resources arrive later than the policy."""
    for _ in range(200):
        if await status(client, edge_router) == expected:
            return
    raise AssertionError(f"never answered {expected}")


@PROTOCOLS
async def test_requests_and_copies_go_to_backends_over_tls(
    stage: Stage, client: aiohttp.ClientSession, tmp_path: Path, delta: bool
):
    folders = tmp_path / "live", tmp_path / "copy"
    for folder in folders:
        folder.mkdir()
    async with TlsWorkload(folders[0], BACKEND) as web, TlsWorkload(folders[1], BACKEND) as copy:
        policies = [policy("web", "web", "web", port="https"), policy("copy", "copy", "copy", "web")]
        config_maps = [config_map("web", web.ca.read_bytes()), config_map("copy", copy.ca.read_bytes())]
        listener = {"name": "http", "port": HTTP, "protocol": "HTTP"}
        backends = [secured("web", web), secured("copy", copy)]
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                edge_gateway(listener),
                route(WEB, rule("web", "copy")),
                *backends,
                *policies,
                *config_maps,
            )
        )
        edge_router = await router(stage, HTTP, delta=delta, labels=LABELS)
        await wait_for_status(client, edge_router, 200)
        await until(lambda: bool(copy.requests), "the copy arrived")
        assert {(s.host, s.sni) for s in (*web.requests, *copy.requests)} == {(WEB, BACKEND)}
        await _authorities_change_alone(stage, client, edge_router, web)
        await _names_decide(stage, client, edge_router, web)
    assert not nack_messages(stage)


async def _authorities_change_alone(
    stage: Stage, client: aiohttp.ClientSession, edge_router: Router, web: TlsWorkload
) -> None:
    before = await edge_router.envoy.stats(r"^cluster_manager\.cluster_(modified|added|removed)$")
    stranger = trustme.CA().cert_pem.bytes()
    await stage.apply(config_map("web", stranger))
    await wait_for_status(client, edge_router, 503)
    await stage.apply(config_map("web", stranger, web.ca.read_bytes()))
    await wait_for_status(client, edge_router, 200)
    assert await edge_router.envoy.stats(r"^cluster_manager\.cluster_(modified|added|removed)$") == before
    web.requests.clear()
    await delete_object(stage, Ref("ConfigMap", "default", "web"))
    assert await status(client, edge_router) == 503
    assert not web.requests, "without a CA no backend is dialled, not even in plain text"
    await stage.apply(config_map("web", web.ca.read_bytes()))
    assert await status(client, edge_router) == 200


async def _names_decide(stage: Stage, client: aiohttp.ClientSession, edge_router: Router, web: TlsWorkload) -> None:
    async def assert_status(expected: int, *names: str, **validation: Any) -> None:
        if names:
            validation["subjectAltNames"] = [{"type": "Hostname", "hostname": name} for name in names]
        await stage.apply(policy("web", "web", "web", port="https", **validation))
        assert await status(client, edge_router) == expected

    await assert_status(503, hostname=OTHER)
    web.requests.clear()
    await assert_status(200, OTHER, BACKEND, hostname=OTHER)
    assert [s.sni for s in web.requests] == [OTHER]
    await assert_status(503, OTHER)
    await stage.apply(policy("web", "web", port="https"))
    assert await status(client, edge_router) == 503, "the system does not trust it"


async def test_a_backend_is_verified_by_a_uri_san(stage: Stage, client: aiohttp.ClientSession, tmp_path: Path):
    (tmp_path / "issuer").mkdir()
    issuer = Authority(tmp_path / "issuer")
    async with TlsWorkload(tmp_path, OTHER) as web:
        web.present(*issuer.client_files(SLEEP))
        listener = {"name": "http", "port": HTTP, "protocol": "HTTP"}
        ca_bundle = config_map("web", issuer.ca_file.read_bytes())
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG, edge_gateway(listener), route(WEB, rule("web")), secured("web", web), ca_bundle
            )
        )
        edge_router = await router(stage, HTTP, labels=LABELS)
        for uri, expected in ((SLEEP, 200), (f"{SLEEP}/more", 503), (SLEEP, 200)):
            names = [{"type": "Hostname", "hostname": OTHER}, {"type": "URI", "uri": uri}]
            await stage.apply(policy("web", "web", "web", subjectAltNames=names))
            assert await status(client, edge_router) == expected
        await stage.apply(policy("web", "web", "web"))
        assert await status(client, edge_router) == 503, "its certificate is for no host"
    assert not nack_messages(stage)


async def test_grpc_calls_go_to_a_backend_over_tls(stage: Stage):
    issuer = trustme.CA()
    certificate = issuer.issue_cert(BACKEND)
    upstream = grpc.aio.server()
    upstream.add_generic_rpc_handlers([Echo()])
    pair = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
    number = upstream.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await upstream.start()
    listener = {"name": "http", "port": HTTP, "protocol": "HTTP"}
    rules = {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "echo", "port": 443}]}]}
    backend = service("echo", 443, "https"), local_pod("echo", "echo", {"app": "echo"}, number, "https")
    tls_objects = policy("echo", "echo", "ca"), config_map("ca", issuer.cert_pem.bytes())
    await stage.apply(
        join_manifests(
            NO_ACCESS_LOG,
            edge_gateway(listener),
            gateway_api_object("GRPCRoute", "echo", rules),
            *backend,
            *tls_objects,
        )
    )
    edge_router = await router(stage, HTTP, labels=LABELS)
    async with grpc.aio.insecure_channel(f"{edge_router.address}:{HTTP}") as channel:
        call = channel.stream_stream("/test.Echo/All")
        assert [answer async for answer in call(iter([b"one", b"two"]))] == [b"one", b"two"]
    await upstream.stop(None)
    assert not nack_messages(stage)
