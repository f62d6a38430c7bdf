"""A real Envoy as the router of a Gateway with HTTPS: server and client certificates, misdirected requests."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import SECRET
from mirrorplane.bootstrap.tls import XdsTls
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.gateway_api.test_gateway import LABELS, gateway_api_object, route, rule, services_for
from tests.e2e.gateway_api.test_tls import BACKEND, config_map, policy, secured
from tests.e2e.istio.test_gateways import behind
from tests.e2e.support.edge_router import Certificates, Router, http2_status, router, secured_stage
from tests.e2e.support.manifests import NO_ACCESS_LOG, findings, join_manifests, nack_messages
from tests.e2e.support.tls_workload import TlsWorkload

pytestmark = pytest.mark.envoy

HTTPS, OTHER, LAX = 18443, 18444, 18445
WEB = "web.example.com"
Edge = tuple[Stage, XdsTls]


@pytest.fixture
async def secured_edge(tmp_path: Path) -> AsyncIterator[Edge]:
    async with secured_stage(tmp_path, account="edge-ours") as secured:
        yield secured
        assert not nack_messages(secured[0])


def https(name: str, port: int = HTTPS, host: str = "", **ref: str) -> dict[str, Any]:
    """A listener whose certificate is in the Secret `web`, unless `ref` says otherwise."""
    tls = {"certificateRefs": [{"name": "web", **ref}]}
    return {"name": name, "port": port, "protocol": "HTTPS", "tls": tls, **({"hostname": host} if host else {})}


def gateway(*listeners: Mapping[str, Any], **more: Any) -> str:
    return join_manifests(
        gateway_api_object("GatewayClass", "ours", {"controllerName": "mirrorplane.io/gateway-controller"}),
        gateway_api_object("Gateway", "edge", {"gatewayClassName": "ours", "listeners": list(listeners), **more}),
    )


def in_namespace(manifest: str, namespace: str) -> str:
    """The same object in another namespace."""
    obj = yaml.safe_load(manifest)
    obj["metadata"]["namespace"] = namespace
    text: str = yaml.safe_dump(obj)
    return text


def grant(namespace: str, kind: str) -> str:
    target, source = {"group": "", "kind": kind}, {"kind": "Gateway", "namespace": "default"}
    spec = {"from": [{"group": "gateway.networking.k8s.io", **source}], "to": [target]}
    return in_namespace(gateway_api_object("ReferenceGrant", "grant", spec), namespace)


async def request_status(
    client: aiohttp.ClientSession,
    edge_router: Router,
    issued: Certificates,
    port: int = HTTPS,
    *,
    with_certificate: bool = False,
) -> int:
    """The status that a client gets, 0 if the TLS handshake fails."""
    request = client.get(
        edge_router.url("https", port, "/anything"),
        headers={"Host": WEB},
        ssl=issued.client(with_certificate=with_certificate),
        server_hostname=WEB,
    )
    try:
        async with request as answer:
            await answer.read()
            return answer.status
    except aiohttp.ClientError:
        return 0


async def test_a_certificate_of_another_namespace_is_presented_while_a_grant_permits_it(
    secured_edge: Edge, client: aiohttp.ClientSession
):
    (stage, tls), issued = secured_edge, Certificates()
    async with Workload("web") as web:
        listeners = gateway(https("far", namespace="shop"), https("near", OTHER))
        secrets = [issued.secret("web", WEB), in_namespace(issued.secret("web", WEB), "shop")]
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, listeners, route(WEB, rule("/", "web")), services_for(web), *secrets)
        )
        edge_router = await router(stage, HTTPS, OTHER, tls=tls, labels=LABELS)
        (stream,) = list(stage.app.xds.statuses())
        for _ in "12":
            assert await request_status(client, edge_router, issued) == 0
            assert await request_status(client, edge_router, issued, OTHER) == 200
            assert list(stage.app.plane.render(stream.proxy).of_type(SECRET)) == ["certificate://default/web"]
            assert [f.path for f in findings(stage) if f.reason == "RefNotPermitted"] == [
                "spec.listeners[0].tls.certificateRefs[0].namespace"
            ]
            await stage.apply(grant("shop", "Secret"))
            assert await request_status(client, edge_router, issued) == 200
            assert not findings(stage)
            await delete_object(stage, Ref("gateway.networking.k8s.io/ReferenceGrant", "shop", "grant"))
        await delete_object(stage, Ref("Secret", "default", "web"))
        assert await request_status(client, edge_router, issued, OTHER) == 0
        assert {f.reason for f in findings(stage)} >= {"RefNotPermitted", "InvalidCertificateRef"}


async def test_client_certificates_are_required_as_configured_for_the_port(
    secured_edge: Edge, client: aiohttp.ClientSession
):
    (stage, tls), issued, stranger = secured_edge, Certificates(), Certificates()
    ca_refs = [{"group": "", "kind": "ConfigMap", "name": "clients", "namespace": "shop"}]
    frontend = {
        "default": {"validation": {"caCertificateRefs": ca_refs}},
        "perPort": [
            {"port": OTHER, "tls": {}},
            {"port": LAX, "tls": {"validation": {"caCertificateRefs": ca_refs, "mode": "AllowInsecureFallback"}}},
        ],
    }
    async with Workload("web") as web:
        listeners = [https("strict"), https("free", OTHER), https("lax", LAX)]
        gateway_manifest = gateway(*listeners, tls={"frontend": frontend})
        authority = in_namespace(config_map("clients", issued.ca.cert_pem.bytes()), "shop")
        objects = [route(WEB, rule("/", "web")), services_for(web), issued.secret("web", WEB), authority]
        await stage.apply(join_manifests(NO_ACCESS_LOG, gateway_manifest, *objects, grant("shop", "ConfigMap")))
        edge_router = await router(stage, HTTPS, OTHER, LAX, tls=tls, labels=LABELS)
        issued.ca.configure_trust(context := stranger.client(with_certificate=True))

        async def statuses(*, by_stranger: bool = False, with_certificate: bool = False) -> list[int]:
            if not by_stranger:
                return [
                    await request_status(client, edge_router, issued, port, with_certificate=with_certificate)
                    for port in (HTTPS, OTHER, LAX)
                ]
            stranger.client = lambda **_: context  # type: ignore[method-assign]
            return [await request_status(client, edge_router, stranger, port) for port in (HTTPS, OTHER, LAX)]

        assert await statuses(with_certificate=True) == [200, 200, 200]
        assert await statuses() == [0, 200, 200]
        assert await statuses(by_stranger=True) == [0, 200, 200]
        assert [f.reason for f in findings(stage)] == ["ConfigurationChanged"]
        await stage.apply(in_namespace(config_map("clients", stranger.ca.cert_pem.bytes()), "shop"))
        for _ in range(100):
            if await statuses(by_stranger=True) == [200, 200, 200]:
                break
        assert await statuses(with_certificate=True) == [0, 200, 200]
        await delete_object(stage, Ref("gateway.networking.k8s.io/ReferenceGrant", "shop", "grant"))
        assert await statuses(with_certificate=True) == [0, 200, 0], "without CAs no client is accepted"
        assert {f.reason for f in findings(stage)} >= {"RefNotPermitted", "NoValidCACertificate"}


async def test_the_client_certificate_of_the_gateway_is_presented_to_backends(
    secured_edge: Edge, client: aiohttp.ClientSession, tmp_path: Path
):
    (stage, tls), issued = secured_edge, Certificates()
    (tmp_path / "backend").mkdir()
    async with TlsWorkload(tmp_path / "backend", BACKEND, client_certificates=True) as web:
        client_ref = {"name": "own", "namespace": "shop"}
        gateway_manifest = gateway(https("https"), tls={"backend": {"clientCertificateRef": client_ref}})
        pair = {"tls.crt": web.cert.read_text(), "tls.key": web.key.read_text()}
        client_secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "type": "kubernetes.io/tls"}
        secret_manifest = in_namespace(yaml.safe_dump({**client_secret, "stringData": pair}), "shop")
        rules = [{"backendRefs": [{"name": "web", "port": 443}]}]
        objects = [issued.secret("web", WEB), config_map("web", web.ca.read_bytes()), policy("web", "web", "web")]
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG, gateway_manifest, route(WEB, *rules), secured("web", web), *objects, secret_manifest
            )
        )
        edge_router = await router(stage, HTTPS, tls=tls, labels=LABELS)
        assert await request_status(client, edge_router, issued) == 503
        assert [f.reason for f in findings(stage)] == ["RefNotPermitted"]
        await stage.apply(grant("shop", "Secret"))
        assert await request_status(client, edge_router, issued) == 200
        assert web.requests[-1].certified
        await delete_object(stage, Ref("gateway.networking.k8s.io/ReferenceGrant", "shop", "grant"))
        assert await request_status(client, edge_router, issued) == 503


async def test_tls_is_terminated_for_l4_routes_and_originated_to_the_backend(
    secured_edge: Edge, client: aiohttp.ClientSession, tmp_path: Path
):
    (stage, tls), issued = secured_edge, Certificates()
    (tmp_path / "backend").mkdir()
    async with TlsWorkload(tmp_path / "backend", BACKEND) as web:
        tls_spec = {"mode": "Terminate", "certificateRefs": [{"name": "web"}]}
        listener = {"name": "tls", "port": HTTPS, "protocol": "TLS", "tls": tls_spec}
        spec = {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "web", "port": 443}]}]}
        tls_route = gateway_api_object("TLSRoute", "web", {**spec, "hostnames": [WEB]})
        alpha = gateway_api_object("TLSRoute", "web", spec).replace("k8s.io/v1", "k8s.io/v1alpha2")
        objects = [issued.secret("web", WEB), config_map("web", web.ca.read_bytes()), policy("web", "web", "web")]
        await stage.apply(join_manifests(NO_ACCESS_LOG, gateway(listener), tls_route, secured("web", web), *objects))
        edge_router = await router(stage, HTTPS, tls=tls, labels=LABELS)
        assert await request_status(client, edge_router, issued) == 200
        await stage.apply(alpha)
        assert await request_status(client, edge_router, issued) == 200, "v1alpha2: every name, without hostnames"
        await delete_object(stage, Ref("gateway.networking.k8s.io/TLSRoute", "default", "web"))
        assert await request_status(client, edge_router, issued) == 0
        await stage.apply(gateway_api_object("TCPRoute", "web", spec))
        assert await request_status(client, edge_router, issued) == 200
        assert [(connection.host, connection.sni) for connection in web.requests] == [(WEB, BACKEND)] * 3
        assert not findings(stage)


ANY, SECOND, WILD, FOURTH = "example.org", "second-example.org", "third.wildcard.org", "fourth-example.wildcard.org"
MISDIRECTED = [
    (ANY, ANY, 200),
    (ANY, SECOND, 421),
    (ANY, WILD, 421),
    (ANY, FOURTH, 421),
    (ANY, "unknown-example.org", 404),
    (SECOND, SECOND, 200),
    (SECOND, ANY, 421),
    (SECOND, "unknown-example.org", 421),
    (WILD, WILD, 200),
    (WILD, "sibling.wildcard.org", 200),
    (WILD, FOURTH, 421),
    (WILD, SECOND, 421),
    (WILD, "unknown-example.org", 421),
    (FOURTH, FOURTH, 200),
    (FOURTH, f"{FOURTH}:443", 200),
    (FOURTH, WILD, 421),
    ("unknown-example.org", ANY, 200),
    ("unknown-example.org", f"{SECOND}:443", 421),
]
"""The SNI, the :authority of the request, and the expected status."""


async def test_a_misdirected_request_is_answered_421(secured_edge: Edge, tmp_path: Path):
    """By HTTP/2, to a workload that speaks HTTP/1.1 only, at a Service port without a name."""
    (stage, tls), issued = secured_edge, Certificates()
    issued.ca.cert_pem.write_to_path(str(tmp_path / "issuer.pem"))
    names = (ANY, SECOND, "*.wildcard.org", FOURTH)
    async with Workload("web") as web:
        listeners = [https(f"l{i}", host=host if i else "") for i, host in enumerate(names)]
        secret = issued.secret("web", *names, "unknown-example.org")
        other_port_listeners = https("alone", OTHER, SECOND), https("next", OTHER, FOURTH)
        rules = [
            _route_of_listener(section, host)
            for section, host in (("l0", ANY), ("l1", ""), ("l2", ""), ("l3", ""), ("alone", ""))
        ]
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG, gateway(*listeners, *other_port_listeners), *rules, behind("web", web.port, ""), secret
            )
        )
        edge_router = await router(stage, HTTPS, OTHER, tls=tls, labels=LABELS)
        requests = [
            http2_status(edge_router, tmp_path / "issuer.pem", HTTPS, name, host) for name, host, _ in MISDIRECTED
        ]
        answers = [(name, host, await request) for (name, host, _), request in zip(MISDIRECTED, requests, strict=True)]
        assert answers == MISDIRECTED
        other_port_statuses = [
            await http2_status(edge_router, tmp_path / "issuer.pem", OTHER, SECOND, host)
            for host in (SECOND, FOURTH, ANY)
        ]
        assert other_port_statuses == [200, 421, 404], "a host without a listener is not found"


def _route_of_listener(section: str, host: str) -> str:
    spec = {"parentRefs": [{"name": "edge", "sectionName": section}], "rules": [rule("/", "web")]}
    return gateway_api_object("HTTPRoute", section, {**spec, **({"hostnames": [host]} if host else {})})
