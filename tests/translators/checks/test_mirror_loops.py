"""A mirror whose target is the routers that copy is reported, at whatever route it stands."""

import pytest

from mirrorplane.api.mirrors import COPY_HEADER
from mirrorplane.api.proxy import Proxy
from mirrorplane.translators.outputs.gateway_routes import OUTPUT
from tests.builders import decoded, plane_of, rendered
from tests.gateway_manifests import gateway

WORLD = (
    """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: edge}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: edge, labels: {istio: ingressgateway, gateway.networking.k8s.io/gateway-name: edge}}
spec: {containers: []}
status: {podIP: 10.0.0.9}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: wide}
spec: {selector: {istio: ingressgateway}, servers: [{hosts: ['*'], port: {name: http, number: 8080, protocol: HTTP}}]}
---
"""
    + gateway({"name": "http", "port": 8081})
    + "---\n"
)


def virtual_service(host: str, gateway: str, target: str = "edge", authority: str = "") -> str:
    rewrite = f", rewrite: {{authority: {authority}}}" if authority else ""
    route = f"[{{route: [{{destination: {{host: web}}}}], mirror: {{host: {target}}}{rewrite}}}]"
    return (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web}\n"
        f"spec: {{hosts: ['{host}'], gateways: [{gateway}], http: {route}}}\n"
    )


def http_route(target: str, hostname: str = "") -> str:
    mirror = f"{{type: RequestMirror, requestMirror: {{backendRef: {{name: {target}, port: 80}}}}}}"
    rewrite = f", {{type: URLRewrite, urlRewrite: {{hostname: {hostname}}}}}" if hostname else ""
    return (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\n"
        "spec:\n  parentRefs: [{name: edge}]\n  hostnames: [web.example.com]\n"
        f"  rules: [{{filters: [{mirror}{rewrite}], backendRefs: [{{name: web, port: 80}}]}}]\n"
    )


@pytest.mark.parametrize(
    ("manifest", "paths"),
    [
        (virtual_service("*", "wide"), ["spec.http[0].mirror"]),
        (http_route("edge"), ["spec.rules[0].filters[0].requestMirror.backendRef"]),
        (virtual_service("web.example.com", "wide"), []),  # the copy's Host is web.example.com-shadow
        (virtual_service("*", "wide", target="web"), []),
        (virtual_service("*.example.com", "mesh"), []),
        (http_route("web"), []),
        (http_route("edge", hostname="copies.example.com"), []),  # which another rule may serve
        (virtual_service("web.example.com-shadow", "wide", authority="web.example.com"), ["spec.http[0].mirror"]),
    ],
    ids=["every host", "no suffix", "suffix", "workload", "sidecars", "workload, no suffix", "another Host", "rewrite"],
)
async def test_a_mirror_to_the_routers_that_copy_is_reported(manifest: str, paths: list[str]):
    plane = await plane_of(WORLD + manifest)
    assert [finding.path for finding in plane.findings.all() if finding.reason == "MirrorLoop"] == paths


@pytest.mark.parametrize(
    ("manifest", "marked"),
    [
        (http_route("edge"), True),
        (http_route("web"), False),
        (http_route("edge", hostname="copies.example.com"), True),  # whose rule may copy to this one
        (virtual_service("*", "wide"), True),
        (virtual_service("web", "wide"), False),
        (virtual_service("web.example.com-shadow", "wide", authority="web.example.com"), True),
    ],
    ids=["no suffix", "workload", "another Host", "every host", "suffix", "rewrite"],
)
async def test_copies_that_may_come_back_are_marked(manifest: str, marked: bool):
    labels = {"istio": "ingressgateway", "gateway.networking.k8s.io/gateway-name": "edge"}
    served = await rendered(WORLD + manifest, Proxy("router", "edge", "default", labels=labels))
    tables = decoded(served, OUTPUT.type_url)
    assert (COPY_HEADER in str(tables)) is marked
    assert "request_mirror_policies" in str(tables)
