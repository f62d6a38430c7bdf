"""Gateway API's objects in short words, and what a router makes of a request."""

from collections.abc import Mapping, Sequence
from typing import Any

from mirrorplane.api.proxy import Proxy
from tests import fast_yaml as yaml
from tests.builders import rendered
from tests.traffic_language import Headers, ask, brief

EDGE = Proxy("router", "edge", "default", labels={"gateway.networking.k8s.io/gateway-name": "edge"})
TILL = "till.shop.svc.cluster.local"
GROUP = "gateway.networking.k8s.io"


def doc(kind: str, name: str, spec: Mapping[str, Any], version: str = f"{GROUP}/v1", **metadata: Any) -> str:
    text: str = yaml.safe_dump(
        {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": dict(spec)}
    )
    return text


def gateway(*listeners: Mapping[str, Any], controller: str = "mirrorplane.io/gateway-controller") -> str:
    """The class and the Gateway; listeners are for plain HTTP on port 80 by default."""
    defaults = {"port": 80, "protocol": "HTTP"}
    specs = [{"name": f"l{i}", **defaults, **listener} for i, listener in enumerate(listeners)]
    spec = {"gatewayClassName": "ours", "listeners": specs}
    return "---\n".join([doc("GatewayClass", "ours", {"controllerName": controller}), doc("Gateway", "edge", spec)])


def route(name: str, *rules: Mapping[str, Any], parents: Sequence[Any] = ({},), created: str = "", **more: Any) -> str:
    """A route, with its creationTimestamp."""
    metadata = {"creationTimestamp": created} if created else {}
    namespace = {"namespace": more.pop("namespace")} if "namespace" in more else {}
    refs = [{"name": "edge", **parent} for parent in parents]
    return doc("HTTPRoute", name, {"parentRefs": refs, "rules": list(rules), **more}, **metadata, **namespace)


def rule_to(name: str, *matches: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A rule that forwards matching requests to a Service."""
    return {"matches": list(matches) or [{}], "backendRefs": [{"name": name, "port": 8000}], **more}


def path(value: str, kind: str = "PathPrefix", **more: Any) -> dict[str, Any]:
    return {"path": {"type": kind, "value": value}, **more}


def fields(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "value": "1"} for name in names]


def services(*names: str, namespace: str = "default") -> str:
    spec = {"ports": [{"name": "http", "port": 8000}]}
    pods = {"addresses": ["10.0.0.1"]}
    return "---\n".join(
        doc("Service", name, spec, "v1", namespace=namespace)
        + "---\n"
        + yaml.safe_dump(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "endpoints": [pods],
                "ports": [{"name": "http", "port": 8000}],
            }
        )
        for name in names
    )


async def answer(text: str, request: str, headers: Headers | None = None, proxy: Proxy = EDGE) -> str:
    return brief(ask(await rendered(text, proxy), request, headers))
