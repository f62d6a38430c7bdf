"""A mirror without a ready endpoint is reported, and the report comes and goes with the endpoints."""

import pytest

from mirrorplane.controlplane.plane import Plane
from tests.builders import objects, plane_of
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
metadata: {name: shadow}
spec: {selector: {app: shadow}, ports: [{name: http, port: 80}]}
---
"""
    + gateway({"name": "http", "port": 8080})
    + "---\n"
)
RULES = {
    "VirtualService": """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}], mirror: {host: shadow}}]}
""",
    "HTTPRoute": """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: edge}]
  rules:
  - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}}}]
    backendRefs: [{name: web, port: 80}]
""",
    "GRPCRoute": """
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: web}
spec:
  parentRefs: [{name: edge}]
  rules:
  - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}}}]
    backendRefs: [{name: web, port: 80}]
""",
}


def pod(name: str, *, ready: bool = True) -> str:
    status = f"{{podIP: 10.0.0.9, conditions: [{{type: Ready, status: '{ready}'}}]}}"
    meta = f"{{name: {name}, labels: {{app: shadow}}}}"
    return f"apiVersion: v1\nkind: Pod\nmetadata: {meta}\nspec: {{containers: []}}\nstatus: {status}\n"


def reported(plane: Plane) -> set[str]:
    """The kinds of objects with such a mirror."""
    findings = plane.findings.all()
    return {f.about.kind.rpartition("/")[2] for f in findings if f.reason == "MirrorHasNoEndpoints"}


async def apply(plane: Plane, manifest: str, *, removed: bool = False) -> None:
    [obj] = objects(manifest)
    plane.store.apply(obj.ref, None if removed else obj)
    await plane.publish()


@pytest.mark.parametrize("kind", RULES)
async def test_a_mirror_without_a_ready_endpoint_is_reported_until_it_has_one(kind: str):
    plane = await plane_of(WORLD + RULES[kind])
    assert reported(plane) == {kind}
    await apply(plane, pod("shadow", ready=False))
    assert reported(plane) == {kind}
    await apply(plane, pod("shadow"))
    assert reported(plane) == set()
    await apply(plane, pod("shadow"), removed=True)
    assert reported(plane) == {kind}


async def runs_of_a_further_endpoint(rules: int) -> int:
    """How many functions run when a target of that many rules, which has an endpoint, gets another one."""
    rule = RULES["VirtualService"]
    named = (
        rule.replace("name: web}", f"name: web-{i}}}").replace("hosts: [web]", f"hosts: [{i}.com]")
        for i in range(rules)
    )
    plane = await plane_of("\n---\n".join((WORLD.rstrip("-\n "), *named, pod("shadow"))))
    assert reported(plane) == set()
    before = plane.engine.runs
    await apply(plane, pod("shadow-2").replace("10.0.0.9", "10.0.0.10"))
    return plane.engine.runs - before


async def test_a_further_endpoint_does_not_check_the_rules_that_mirror_there():
    assert await runs_of_a_further_endpoint(30) == await runs_of_a_further_endpoint(3)


ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shadow}
spec:
  hosts: [shadow.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
"""


@pytest.mark.parametrize(
    ("endpoints", "is_reported"),
    [("", False), ("  endpoints: [{address: a.example.com}]\n", False), ("  endpoints: [{network: far}]\n", True)],
)
async def test_a_host_whose_listed_endpoints_cannot_be_used_is_not_resolved_instead(endpoints: str, is_reported: bool):
    rule = RULES["VirtualService"].replace("host: shadow", "host: shadow.example.com")
    plane = await plane_of(f"{WORLD}{rule}---{ENTRY}{endpoints}")
    assert bool(reported(plane)) is is_reported
