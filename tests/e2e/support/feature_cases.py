"""Cases of the features of Gateway API at Gateways: routes, requests, and the expected responses and statuses."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tests import fast_yaml as yaml
from tests.e2e.support import mesh_features
from tests.e2e.support.manifests import join_manifests
from tests.e2e.support.mesh_features import GATEWAY_API, PORT, manifest_yaml, service_name

HTTP = 18080
CONTROLLER = "mirrorplane.io/gateway-controller"
GATEWAY_CLASS = manifest_yaml("GatewayClass", "ours", {"controllerName": CONTROLLER})
OTHER_NAMESPACE = "apart"
ACCEPTED = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}


class RequestCase(mesh_features.RequestCase, frozen=True):
    """A request. `host` defaults to the feature's own; `secure` sends it over TLS, with the host as server name.

    `expected` is "closed" where no connection comes to be. `backend_host` is the host that the workload is asked for.
    """

    port: int = HTTP
    host: str = ""
    method: str = "GET"
    secure: bool = False
    backend_host: str = ""
    gateway: str = "edge"


class Route(msgspec.Struct, frozen=True):
    """A route. `hosts` defaults to the feature's own, `parents` to the listener `http` of `edge`.

    `conditions` are what each parent has other than Accepted and ResolvedRefs, as `conditions_of` says it.
    """

    rules: Sequence[Mapping[str, Any]]
    hosts: Sequence[str] | None = None
    parents: Sequence[Mapping[str, Any]] = ({"sectionName": "http"},)
    conditions: Mapping[str, str] = {}
    namespace: str = "default"
    kind: str = "HTTPRoute"
    year: int = 2020


class Feature(msgspec.Struct, frozen=True):
    """Routes, requests, their listeners on the Gateway `edge`, and further objects."""

    routes: Sequence[Route]
    requests: Sequence[RequestCase] = ()
    listeners: Sequence[Mapping[str, Any]] = ()
    objects: Sequence[str] = ()

    @property
    def ports(self) -> set[int]:
        """The ports of its own listeners."""
        return {listener_spec["port"] for listener_spec in self.listeners}


def host_name(feature: str) -> str:
    return f"{service_name(feature)}.example.com"


def route_name(feature: str, number: int) -> str:
    return f"{service_name(feature)}-{number}"


def route_manifest(feature: str, number: int, case: Route) -> str:
    """The manifest of a route of a feature."""
    hosts = [host_name(feature)] if case.hosts is None else list(case.hosts)
    refs = [{"name": "edge", "namespace": "default", **parent} for parent in case.parents]
    spec = {"parentRefs": refs, "rules": list(case.rules), **({"hostnames": hosts} if hosts else {})}
    manifest = yaml.safe_load(manifest_yaml(case.kind, route_name(feature, number), spec, namespace=case.namespace))
    manifest["metadata"]["creationTimestamp"] = f"{case.year}-01-01T00:00:00Z"
    text: str = yaml.safe_dump(manifest)
    return text


def manifests(features: Mapping[str, Feature]) -> str:
    """All routes and further objects of features."""
    return join_manifests(
        *(route_manifest(name, i, case) for name, feature in features.items() for i, case in enumerate(feature.routes)),
        *dict.fromkeys(text for feature in features.values() for text in feature.objects),
    )


def listener(name: str, port: int, host: str = "", protocol: str = "HTTP", **more: Any) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": protocol, **({"hostname": host} if host else {}), **more}


def gateway(*listeners: Mapping[str, Any], name: str = "edge", namespace: str = "default", **more: Any) -> str:
    spec = {"gatewayClassName": "ours", "listeners": list(listeners), **more}
    return manifest_yaml("Gateway", name, spec, namespace=namespace)


def listener_set(name: str, *listeners: Mapping[str, Any], namespace: str = "default", parent: str = "edge") -> str:
    spec = {"parentRef": {"name": parent, "namespace": "default"}, "listeners": list(listeners)}
    return manifest_yaml("ListenerSet", name, spec, namespace=namespace)


def allowed_from(whence: str = "All", **labels: str) -> dict[str, Any]:
    """The namespaces that may attach: `All`, `Same`, `None`, or those with labels."""
    selector = {"selector": {"matchLabels": labels}} if labels else {}
    return {"namespaces": {"from": "Selector" if labels else whence, **selector}}


def service_with_endpoints(name: str, port: int, namespace: str = "default", *addresses: str, **more: Any) -> str:
    """A Service, its EndpointSlice and Pods; `more` are fields of the Service's spec."""
    metadata = {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}}
    ports, ips = [{"name": "http", "port": PORT}], addresses or ("127.0.0.1",)
    slices = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv6" if ":" in ips[0] else "IPv4",
        "endpoints": [
            {"addresses": [address], "targetRef": {"kind": "Pod", "name": f"{name}-{i}"}}
            for i, address in enumerate(ips)
        ],
        "ports": [{"name": "http", "port": port}],
    }
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "name": f"{name}-{i}"},
            "status": {"podIP": address},
        }
        for i, address in enumerate(ips)
    ]
    service = manifest_yaml("Service", name, {"ports": ports, **more}, "v1", namespace=namespace)
    return join_manifests(service, yaml.safe_dump_all([slices, *pods]))


def grant(
    name: str, kind: str, to_kind: str = "Service", target: str = "", namespace: str = OTHER_NAMESPACE, **source: str
) -> str:
    """A grant for objects of a kind, of `default` unless `whence` says otherwise, to what is in `namespace`."""
    sources = [{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": source.get("whence", "default")}]
    targets = [{"group": "", "kind": to_kind, **({"name": target} if target else {})}]
    return manifest_yaml("ReferenceGrant", name, {"from": sources, "to": targets}, GATEWAY_API, namespace)


def backends(*refs: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"backendRefs": [{"name": "v1", "port": PORT, **ref} for ref in refs], **more}


def not_accepted(reason: str) -> dict[str, str]:
    return {"Accepted": f"!{reason}"}


def unresolved(reason: str) -> dict[str, str]:
    return {"ResolvedRefs": f"!{reason}"}


def conditions_of(status: Mapping[str, Any]) -> dict[str, str]:
    """Conditions as `type: reason`, with `!` before the reason where the status is False and `?` where Unknown."""
    marks = {"True": "", "False": "!", "Unknown": "?"}
    return {c["type"]: marks[c["status"]] + c["reason"] for c in status["conditions"]}
