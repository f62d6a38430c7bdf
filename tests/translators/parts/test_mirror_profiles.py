"""Mirrors of one target have guards, headers and a host of their own, if their profile says so."""

from math import inf
from typing import Any

from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.mirrors import Guards
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import CLUSTER, ROUTE, ResourceSet
from mirrorplane.controlplane.plane import Plane
from tests.builders import SLEEP, decoded, objects
from tests.mirror_policies import MIRROR_POLICY, MirrorPolicy, catalogue_with_policies, profile_name

WEB = "web.default.svc.cluster.local"
INPUT = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}], selector: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
status: {podIP: 10.0.0.1}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {app: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, annotations: {mirror-policies: careful generous careful}}
spec:
  hosts: [web]
  gateways: [mesh, edge]
  http:
  - route: [{destination: {host: web}}]
    mirrors:
    - {destination: {host: web}}
    - {destination: {host: web}, percentage: {value: 50}}
    - {destination: {host: web}}
"""
CAREFUL, GENEROUS = (f"mirror|80||{WEB}|{profile_name(policy)}" for policy in ("careful", "generous"))
EDGE = Proxy("router", "edge", "default", ip="10.9.9.9", labels={"app": "edge"})


def policy(name: str, **spec: Any) -> Object[MirrorPolicy]:
    return Object(Ref(MIRROR_POLICY.key, "default", name), MirrorPolicy(**spec))


async def plane_with(*policies: Object[MirrorPolicy]) -> Plane:
    plane = Plane(catalogue_with_policies(), slice_s=inf)
    for obj in (*objects(INPUT), *policies):
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    return plane


def body_caps(served: ResourceSet) -> dict[str, int]:
    """The largest body that is copied, by the name of the mirror's cluster."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    clusters = {name: c for name, c in decoded(served, CLUSTER).items() if name.startswith("mirror")}
    filters = {name: c["typed_extension_protocol_options"][options]["http_filters"] for name, c in clusters.items()}
    return {name: int(results[0]["typed_config"]["value"]["max_request_bytes"]) for name, results in filters.items()}


def mirrors(served: ResourceSet) -> list[dict[str, Any]]:
    routes = [route for name in ("80", "http.80") for route in _routes(decoded(served, ROUTE).get(name, {}))]
    return [m for route in routes for m in route.get("route", {}).get("request_mirror_policies", [])]


def _routes(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [route for host in configuration.get("virtual_hosts", []) for route in host["routes"]]


async def test_two_profiles_of_one_target_are_two_clusters_with_guards_of_their_own():
    plane = await plane_with(policy("careful", max_body_bytes=1024), policy("generous", max_body_bytes=65536))
    for proxy in (SLEEP, EDGE):
        served = plane.render(proxy)
        assert body_caps(served) == {CAREFUL: 1024, GENEROUS: 65536}
        assert [m["cluster"] for m in mirrors(served)] == [CAREFUL, GENEROUS, CAREFUL]
        clusters = decoded(served, CLUSTER)
        assert {clusters[name]["eds_cluster_config"]["service_name"] for name in (CAREFUL, GENEROUS)} == {
            f"outbound|80||{WEB}"
        }


async def test_guards_that_a_profile_leaves_out_are_the_meshs_as_are_those_of_a_missing_profile():
    plane = await plane_with(policy("careful"))
    assert body_caps(plane.render(SLEEP)) == dict.fromkeys((CAREFUL, GENEROUS), Guards().max_body_bytes)


async def test_a_profile_changes_headers_and_the_host_of_copies_alone():
    changed = policy("careful", headers={"x-copy": "yes"}, remove=("cookie",), host="copies.example")
    rendered = mirrors((await plane_with(changed)).render(SLEEP))
    assert [m.get("host_rewrite_literal", "") for m in rendered] == ["copies.example", "", "copies.example"]
    assert [m.get("disable_shadow_host_suffix_append", False) for m in rendered] == [True, False, True]
    (remove, append), none, _ = (m.get("request_headers_mutations", []) for m in rendered)
    assert (remove, append["append"]["header"], none) == ({"remove": "cookie"}, {"key": "x-copy", "value": "yes"}, [])


async def test_a_changed_profile_changes_its_own_cluster_and_no_route():
    plane = await plane_with(policy("careful", max_body_bytes=1024), policy("generous", max_body_bytes=65536))
    before = plane.render(SLEEP)
    changed = policy("careful", max_body_bytes=2048)
    plane.store.apply(changed.ref, changed)
    await plane.publish()
    after = plane.render(SLEEP)
    assert body_caps(after) == {CAREFUL: 2048, GENEROUS: 65536}
    assert _changed(before, after, CLUSTER) == {CAREFUL}
    assert _changed(before, after, ROUTE) == set()


def _changed(before: ResourceSet, after: ResourceSet, type_url: str) -> set[str]:
    old = before.of_type(type_url)
    return {name for name, resource in after.of_type(type_url).items() if old[name].version != resource.version}
