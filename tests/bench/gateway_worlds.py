"""Worlds of a Gateway and so many HTTPRoutes for benchmarks, every fifth with a mirror.

`hosts`: each route has a hostname of its own; `paths`: all share one, and each has a path of its own.
"""

from mirrorplane.api.kinds.gateway_api import filters as gf
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.kinds.gateway_api import gateway_class as gc
from mirrorplane.api.kinds.gateway_api import http_route as hr
from mirrorplane.api.kinds.gateway_api.references import BackendObjectReference, ParentReference
from mirrorplane.api.kinds.kube import NAMESPACE, NamespaceSpec
from mirrorplane.api.meta import AnyObject, Object, Ref
from mirrorplane.api.proxy import Proxy
from tests.bench.worlds import PORT, plain_services

SERVICES = 20
MIRRORED = 5
KINDS = ("hosts", "paths")
LABEL = "gateway.networking.k8s.io/gateway-name"


def router(ip: str = "127.0.0.1") -> Proxy:
    return Proxy("router", "edge", "default", ip=ip, labels={LABEL: "edge"})


def gateway(port: int = 80) -> list[AnyObject]:
    """The namespace, the class, and a Gateway with one listener for all hosts."""
    listener = gw.Listener("http", port, "HTTP")
    return [
        Object(Ref(NAMESPACE.key, "", "default"), NamespaceSpec()),
        Object(Ref(gc.GATEWAY_CLASS.key, "", "ours"), gc.GatewayClass(gc.CONTROLLER)),
        Object(Ref(gw.GATEWAY.key, "default", "edge"), gw.Gateway("ours", (listener,))),
    ]


def world(kind: str, count: int) -> list[AnyObject]:
    return [*plain_services(SERVICES), *gateway(), *(route(kind, i) for i in range(count))]


def asked(kind: str, number: int) -> tuple[str, str]:
    """The host and path that a route matches."""
    return (f"r{number}.example.com", "/") if kind == "hosts" else ("www.example.com", f"/anything/r{number}")


def route(kind: str, number: int, backend: int = 0) -> AnyObject:
    """A route; another `backend` makes it another one."""
    host, path = asked(kind, number)
    copied = BackendObjectReference(f"svc-{(number + 1) % SERVICES}", port=PORT)
    mirror = gf.HTTPRouteFilter("RequestMirror", request_mirror=gf.HTTPRequestMirrorFilter(copied))
    rule = hr.HTTPRouteRule(
        matches=(hr.HTTPRouteMatch(hr.HTTPPathMatch(value=path)),),
        filters=(mirror,) if number % MIRRORED == 0 else (),
        backend_refs=(hr.HTTPBackendRef(f"svc-{(number + backend) % SERVICES}", port=PORT),),
    )
    spec = hr.HTTPRoute((ParentReference("edge"),), (host,), (rule,))
    return Object(Ref(hr.HTTP_ROUTE.key, "default", f"r{number}"), spec, created="2026-01-01T00:00:00Z")
