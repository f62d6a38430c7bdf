"""Gateway API's features of meshes (GAMMA): rules for a Service, and the responses that clients get."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mirrorplane.controlplane.playground.manifests import local_pod
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.e2e.support.manifests import join_manifests

GATEWAY_API = "gateway.networking.k8s.io/v1"
PORT, ALT = 8000, 8080


def manifest_yaml(
    kind: str, name: str, spec: Mapping[str, Any], version: str = GATEWAY_API, namespace: str = "default"
) -> str:
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    text: str = yaml.safe_dump(manifest)
    return text


def rule_to(*backends: str, **more: Any) -> dict[str, Any]:
    """A rule to backends (`name` or `name*weight`); `more` are its other fields."""
    parts = (backend.partition("*") for backend in backends)
    refs = [{"name": name, "namespace": "default", "port": PORT, "weight": int(w or 1)} for name, _, w in parts]
    return {"backendRefs": refs, **more}


def path_matches(path: str, kind: str = "PathPrefix", **more: Any) -> list[dict[str, Any]]:
    return [{"path": {"type": kind, "value": path}, **more}]


def filters(kind: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    field = "urlRewrite" if kind == "URLRewrite" else kind[0].lower() + kind[1:]
    return [{"type": kind, field: dict(config)}]


def redirect_rule(below: str, **redirect: Any) -> dict[str, Any]:
    return {"matches": path_matches(below), "filters": filters("RequestRedirect", redirect)}


def fields(name: str, value: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value}]


def service_name(feature: str) -> str:
    """The name of the Service for a feature's test."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=HTTP)|(?<=[a-z])(?=[0-9])", "-", feature).lower()


def services(workload: Workload, *names: str) -> str:
    """Services with both ports, all backed by one workload."""
    ports = [{"name": "http", "port": PORT}, {"name": "http-alt", "port": ALT}]
    manifests = []
    for name in names:
        manifests += [manifest_yaml("Service", name, {"ports": ports}, "v1")]
        manifests += [
            local_pod(f"{name}-{port['name']}", name, {"app": name}, workload.port, port["name"]) for port in ports
        ]
    return join_manifests(*manifests)


def route(service: str, *rules: Mapping[str, Any], namespace: str = "default", **parent: Any) -> str:
    parents = [{"group": "", "kind": "Service", "name": service, "namespace": "default", **parent}]
    return manifest_yaml("HTTPRoute", service, {"parentRefs": parents, "rules": list(rules)}, namespace=namespace)


class RequestCase(msgspec.Struct, frozen=True):
    """A request to the Service of a feature. `expected` is the workload that answers, or the status with its Location.

    `backend_headers` are headers that the workload is sent (None: it is not), `response_headers` headers of the answer.
    """

    path: str
    expected: str
    headers: Mapping[str, str] = {}
    backend_headers: Mapping[str, str | None] = {}
    response_headers: Mapping[str, str | None] = {}
    port: int = PORT
    backend_path: str = ""


class Feature(msgspec.Struct, frozen=True):
    """Rules for a Service, and requests. `parent` has further fields of the parentRef."""

    rules: Sequence[Mapping[str, Any]]
    requests: Sequence[RequestCase]
    parent: Mapping[str, Any] = {}


CHANGES = {"set": fields("X-Set", "rule"), "add": fields("X-Add", "rule"), "remove": ["X-Gone"]}
CHANGED = {"x-set": "rule", "x-add": "mine,rule", "x-gone": None}
SENT = {"X-Set": "mine", "X-Add": "mine", "X-Gone": "mine"}
BELOW = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/anything"}
FULL = {"type": "ReplaceFullPath", "replaceFullPath": "/anything/full"}
STAMP = filters("ResponseHeaderModifier", {"set": fields("X-Header-Set", "set")})
STAMPED, PLAIN = {"X-Header-Set": "set"}, {"X-Header-Set": None}

FEATURES = {
    "MeshBasic": Feature([], [RequestCase("/anything", "v1"), RequestCase("/headers", "v1")]),
    "MeshTrafficSplit": Feature(
        [
            rule_to("v1", matches=path_matches("/anything/v1", "Exact")),
            rule_to("v2", matches=path_matches("/anything/v2", "Exact")),
        ],
        [RequestCase("/anything/v1", "v1"), RequestCase("/anything/v2", "v2"), RequestCase("/anything", "404")],
    ),
    "MeshHTTPRouteSimpleSameNamespace": Feature([rule_to("v2")], [RequestCase("/anything", "v2")]),
    "MeshHTTPRouteMatching": Feature(
        [
            rule_to("v1", matches=[*path_matches("/anything"), *path_matches("/", headers=fields("version", "one"))]),
            rule_to(
                "v2", matches=[*path_matches("/anything/v2"), *path_matches("/", headers=fields("version", "two"))]
            ),
        ],
        [
            RequestCase("/anything", "v1"),
            RequestCase("/anything/example", "v1"),
            RequestCase("/headers", "v1", {"Version": "one"}),
            RequestCase("/anything/v2", "v2"),
            RequestCase("/anything/v2example", "v1"),
            RequestCase("/headers", "v2", {"version": "two"}),
            RequestCase("/headers", "404"),
        ],
    ),
    "MeshHTTPRouteQueryParamMatching": Feature(
        [
            rule_to("v1", matches=path_matches("/", queryParams=fields("animal", "whale"))),
            rule_to("v2", matches=path_matches("/", queryParams=fields("animal", "dolphin"))),
            rule_to(
                "v1", matches=path_matches("/", queryParams=[*fields("animal", "dolphin"), *fields("color", "blue")])
            ),
        ],
        [
            RequestCase("/anything?animal=whale", "v1"),
            RequestCase("/anything?animal=dolphin", "v2"),
            RequestCase("/anything?animal=dolphin&color=blue", "v1"),
            RequestCase("/anything?animal=cat", "404"),
        ],
    ),
    "MeshHTTPRouteNamedRule": Feature(
        [
            rule_to("v1", name="first", matches=path_matches("/anything")),
            rule_to("v2", name="second", matches=path_matches("/headers")),
        ],
        [RequestCase("/anything", "v1"), RequestCase("/headers", "v2")],
    ),
    "MeshHTTPRouteRequestHeaderModifier": Feature(
        [rule_to("v1", filters=filters("RequestHeaderModifier", CHANGES))],
        [RequestCase("/headers", "v1", SENT, CHANGED)],
    ),
    "MeshHTTPRouteBackendRequestHeaderModifier": Feature(
        [{"backendRefs": [{**rule_to("v1")["backendRefs"][0], "filters": filters("RequestHeaderModifier", CHANGES)}]}],
        [RequestCase("/headers", "v1", SENT, CHANGED)],
    ),
    "MeshHTTPRouteRewritePath": Feature(
        [
            rule_to("v1", matches=path_matches("/one"), filters=filters("URLRewrite", {"path": BELOW})),
            rule_to("v1", matches=path_matches("/whole"), filters=filters("URLRewrite", {"path": FULL})),
        ],
        [
            RequestCase("/one/a?b=c", "v1", backend_path="/anything/a?b=c"),
            RequestCase("/one", "v1", backend_path="/anything"),
            RequestCase("/whole/a", "v1", backend_path="/anything/full"),
        ],
    ),
    "MeshHTTPRouteRedirectHostAndStatus": Feature(
        [
            redirect_rule("/found", hostname="example.org"),
            redirect_rule("/moved", hostname="example.org", statusCode=301),
        ],
        [
            RequestCase("/found", f"302 http://example.org:{PORT}/found"),
            RequestCase("/moved/a", f"301 http://example.org:{PORT}/moved/a"),
        ],
    ),
    **{
        f"MeshHTTPRoute{code}Redirect": Feature(
            [redirect_rule("/moved", hostname="example.org", statusCode=code)],
            [RequestCase("/moved", f"{code} http://example.org:{PORT}/moved")],
        )
        for code in (303, 307, 308)
    },
    "MeshHTTPRouteRedirectPath": Feature(
        [
            redirect_rule("/one", hostname="example.org", path={**BELOW, "replacePrefixMatch": "/two"}),
            redirect_rule("/whole", hostname="example.org", path={**FULL, "replaceFullPath": "/new"}),
        ],
        [
            RequestCase("/one/a", f"302 http://example.org:{PORT}/two/a"),
            RequestCase("/whole/a", f"302 http://example.org:{PORT}/new"),
        ],
    ),
    "MeshHTTPRouteRedirectPort": Feature(
        [
            redirect_rule("/port", hostname="example.org", port=8083),
            redirect_rule("/usual", hostname="example.org", port=80),
        ],
        [
            RequestCase("/port", "302 http://example.org:8083/port"),
            RequestCase("/usual", "302 http://example.org/usual"),
        ],
    ),
    "MeshHTTPRouteSchemeRedirect": Feature(
        [
            redirect_rule("/secure", hostname="example.org", scheme="https"),
            redirect_rule("/port", scheme="https", port=8443),
        ],
        [
            RequestCase("/secure", "302 https://example.org/secure"),
            RequestCase("/port", "302 https://mesh-http-route-scheme-redirect:8443/port"),
        ],
    ),
    "MeshPorts": Feature(
        [rule_to("v1", filters=STAMP)],
        [
            RequestCase("/anything", "v1", response_headers=STAMPED),
            RequestCase("/anything", "v1", response_headers=PLAIN, port=ALT),
        ],
        {"port": PORT},
    ),
}
"""The features that a sidecar shows without interception, by the names of Gateway API's conformance tests."""
