"""Proxies of several versions: what each is served, what they share, and what is reported."""

import msgspec

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, ResourceSet
from mirrorplane.controlplane.plane import Plane
from tests.builders import plane_of

MESH = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}], mirror: {host: web}}]}
"""
OLD = Proxy("sidecar", "sleep", "default", envoy_version="1.38.3")
NEW, SILENT = (msgspec.structs.replace(OLD, envoy_version=version) for version in ("1.40.0", ""))
MIRROR = "mirror|80||web.default.svc.cluster.local"


def reported(plane: Plane) -> list[str]:
    return [f"{f.reason} {f.about}" for f in plane.findings.all() if f.reason.startswith("Envoy")]


async def test_versions_share_everything_but_the_clusters_of_mirrors():
    plane = await plane_of(MESH)
    old, new, silent = (plane.render(proxy) for proxy in (OLD, NEW, SILENT))
    assert silent.resources == new.resources
    for type_url in (LISTENER, ROUTE, ENDPOINT, CLUSTER):
        assert old.of_type(type_url).keys() == new.of_type(type_url).keys()
        differing = {name for name, res in old.of_type(type_url).items() if new.of_type(type_url)[name] != res}
        assert differing == ({MIRROR} if type_url == CLUSTER else set())
    assert plane.render(msgspec.structs.replace(OLD, envoy_version="1.36.4")).of_type(CLUSTER) == old.of_type(CLUSTER)


async def test_one_scope_serves_all_versions_with_the_same_features():
    plane = await plane_of(MESH)
    versions = ("1.36.4", "1.38.3", "1.39.3", "1.40.0", "1.41.0", "")
    for version in versions:
        plane.publisher.attach(msgspec.structs.replace(OLD, envoy_version=version), lambda _: None)
    assert plane.publisher.scopes == 2


async def test_a_version_is_reported_once_from_its_first_proxy_to_its_last():
    plane = await plane_of(MESH)
    assert reported(plane) == []
    detach = [plane.publisher.attach(msgspec.structs.replace(OLD, name=name), _offer()) for name in ("a", "b")]
    detach.append(plane.publisher.attach(NEW, _offer()))
    assert reported(plane) == ["EnvoyFeatureMissing Envoy 1.38.3"]
    detach[0]()
    assert reported(plane) == ["EnvoyFeatureMissing Envoy 1.38.3"]
    detach[1]()
    assert reported(plane) == []


async def test_while_a_proxy_is_restarted_each_of_its_streams_is_served_for_its_own_version():
    plane = await plane_of(MESH)
    of_old: list[ResourceSet] = []
    of_new: list[ResourceSet] = []
    plane.publisher.attach(OLD, of_old.append)
    plane.publisher.attach(NEW, of_new.append)
    await plane.publish()
    assert of_old[-1].of_type(CLUSTER)[MIRROR] != of_new[-1].of_type(CLUSTER)[MIRROR]


def _offer():
    received: list[ResourceSet] = []
    return received.append
