"""A port of a Gateway that no Service of its routers exposes is reported, where the routers are known."""

import pytest

from tests.builders import plane_of

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: ingress}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: ingress, labels: {istio: ingressgateway}}
spec: {containers: []}
status: {podIP: 10.0.0.9}
---
"""
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {istio: ingressgateway}, servers: [{hosts: ['*'], port: {name: http, number: %d, protocol: HTTP}}]}
"""


@pytest.mark.parametrize(
    ("manifests", "paths"),
    [
        (SERVICE + POD + GATEWAY % 8081, ["spec.servers[0].port.number"]),
        (SERVICE + POD + GATEWAY % 80, []),
        (SERVICE + POD + GATEWAY % 8080, []),
        (SERVICE + GATEWAY % 8081, []),
        (POD + GATEWAY % 8081, []),
    ],
    ids=["not exposed", "port", "target port", "unknown routers", "no Service"],
)
async def test_a_port_that_no_service_exposes_is_reported(manifests: str, paths: list[str]):
    plane = await plane_of(manifests)
    assert [f.path for f in plane.findings.all() if f.reason == "GatewayPortNotExposed"] == paths
