"""The features that Gateway API names for meshes (GAMMA): rules for a Service, and what clients notice of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml

from mirrorplane.controlplane.playground.manifests import local_pod
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.manifests import joined

GATEWAY_API = "gateway.networking.k8s.io/v1"
PORT, ALT = 8000, 8080


def made(kind: str, name: str, spec: Mapping[str, Any], version: str = GATEWAY_API, namespace: str = "default") -> str:
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    text: str = yaml.safe_dump(manifest)
    return text


def to(*backends: str, **more: Any) -> dict[str, Any]:
    """Where a rule sends, `name` or `name*weight`, and what else it says."""
    parts = (backend.partition("*") for backend in backends)
    refs = [{"name": name, "namespace": "default", "port": PORT, "weight": int(w or 1)} for name, _, w in parts]
    return {"backendRefs": refs, **more}


def at(path: str, kind: str = "PathPrefix", **more: Any) -> list[dict[str, Any]]:
    return [{"path": {"type": kind, "value": path}, **more}]


def filters(kind: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    field = "urlRewrite" if kind == "URLRewrite" else kind[0].lower() + kind[1:]
    return [{"type": kind, field: dict(config)}]


def moved(below: str, **redirect: Any) -> dict[str, Any]:
    return {"matches": at(below), "filters": filters("RequestRedirect", redirect)}


def fields(name: str, value: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value}]


def service_of(feature: str) -> str:
    """The name of the Service that a feature is tried at."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=HTTP)|(?<=[a-z])(?=[0-9])", "-", feature).lower()


def services(workload: Workload, *names: str) -> str:
    """Services on both ports, for all of which a workload answers."""
    ports = [{"name": "http", "port": PORT}, {"name": "http-alt", "port": ALT}]
    manifests = []
    for name in names:
        manifests += [made("Service", name, {"ports": ports}, "v1")]
        manifests += [
            local_pod(f"{name}-{port['name']}", name, {"app": name}, workload.port, port["name"]) for port in ports
        ]
    return joined(*manifests)


def route(service: str, *rules: Mapping[str, Any], namespace: str = "default", **parent: Any) -> str:
    parents = [{"group": "", "kind": "Service", "name": service, "namespace": "default", **parent}]
    return made("HTTPRoute", service, {"parentRefs": parents, "rules": list(rules)}, namespace=namespace)


class Ask(msgspec.Struct, frozen=True):
    """A request to the Service of a feature, and what becomes of it: who answers, or the status with its Location.

    `got` are headers that the workload is sent (None: it is not), `answered` headers of the answer.
    """

    path: str
    want: str
    headers: Mapping[str, str] = {}
    got: Mapping[str, str | None] = {}
    answered: Mapping[str, str | None] = {}
    port: int = PORT
    forwarded: str = ""


class Feature(msgspec.Struct, frozen=True):
    """Rules for a Service, and what clients notice. `parent` narrows what they are for."""

    rules: Sequence[Mapping[str, Any]]
    asks: Sequence[Ask]
    parent: Mapping[str, Any] = {}


CHANGES = {"set": fields("X-Set", "rule"), "add": fields("X-Add", "rule"), "remove": ["X-Gone"]}
CHANGED = {"x-set": "rule", "x-add": "mine,rule", "x-gone": None}
SENT = {"X-Set": "mine", "X-Add": "mine", "X-Gone": "mine"}
BELOW = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/anything"}
FULL = {"type": "ReplaceFullPath", "replaceFullPath": "/anything/full"}
STAMP = filters("ResponseHeaderModifier", {"set": fields("X-Header-Set", "set")})
STAMPED, PLAIN = {"X-Header-Set": "set"}, {"X-Header-Set": None}

FEATURES = {
    "MeshBasic": Feature([], [Ask("/anything", "v1"), Ask("/headers", "v1")]),
    "MeshTrafficSplit": Feature(
        [to("v1", matches=at("/anything/v1", "Exact")), to("v2", matches=at("/anything/v2", "Exact"))],
        [Ask("/anything/v1", "v1"), Ask("/anything/v2", "v2"), Ask("/anything", "404")],
    ),
    "MeshHTTPRouteSimpleSameNamespace": Feature([to("v2")], [Ask("/anything", "v2")]),
    "MeshHTTPRouteMatching": Feature(
        [
            to("v1", matches=[*at("/anything"), *at("/", headers=fields("version", "one"))]),
            to("v2", matches=[*at("/anything/v2"), *at("/", headers=fields("version", "two"))]),
        ],
        [
            Ask("/anything", "v1"),
            Ask("/anything/example", "v1"),
            Ask("/headers", "v1", {"Version": "one"}),
            Ask("/anything/v2", "v2"),
            Ask("/anything/v2example", "v1"),
            Ask("/headers", "v2", {"version": "two"}),
            Ask("/headers", "404"),
        ],
    ),
    "MeshHTTPRouteQueryParamMatching": Feature(
        [
            to("v1", matches=at("/", queryParams=fields("animal", "whale"))),
            to("v2", matches=at("/", queryParams=fields("animal", "dolphin"))),
            to("v1", matches=at("/", queryParams=[*fields("animal", "dolphin"), *fields("color", "blue")])),
        ],
        [
            Ask("/anything?animal=whale", "v1"),
            Ask("/anything?animal=dolphin", "v2"),
            Ask("/anything?animal=dolphin&color=blue", "v1"),
            Ask("/anything?animal=cat", "404"),
        ],
    ),
    "MeshHTTPRouteNamedRule": Feature(
        [to("v1", name="first", matches=at("/anything")), to("v2", name="second", matches=at("/headers"))],
        [Ask("/anything", "v1"), Ask("/headers", "v2")],
    ),
    "MeshHTTPRouteRequestHeaderModifier": Feature(
        [to("v1", filters=filters("RequestHeaderModifier", CHANGES))], [Ask("/headers", "v1", SENT, CHANGED)]
    ),
    "MeshHTTPRouteBackendRequestHeaderModifier": Feature(
        [{"backendRefs": [{**to("v1")["backendRefs"][0], "filters": filters("RequestHeaderModifier", CHANGES)}]}],
        [Ask("/headers", "v1", SENT, CHANGED)],
    ),
    "MeshHTTPRouteRewritePath": Feature(
        [
            to("v1", matches=at("/one"), filters=filters("URLRewrite", {"path": BELOW})),
            to("v1", matches=at("/whole"), filters=filters("URLRewrite", {"path": FULL})),
        ],
        [
            Ask("/one/a?b=c", "v1", forwarded="/anything/a?b=c"),
            Ask("/one", "v1", forwarded="/anything"),
            Ask("/whole/a", "v1", forwarded="/anything/full"),
        ],
    ),
    "MeshHTTPRouteRedirectHostAndStatus": Feature(
        [moved("/found", hostname="example.org"), moved("/moved", hostname="example.org", statusCode=301)],
        [
            Ask("/found", f"302 http://example.org:{PORT}/found"),
            Ask("/moved/a", f"301 http://example.org:{PORT}/moved/a"),
        ],
    ),
    **{
        f"MeshHTTPRoute{code}Redirect": Feature(
            [moved("/moved", hostname="example.org", statusCode=code)],
            [Ask("/moved", f"{code} http://example.org:{PORT}/moved")],
        )
        for code in (303, 307, 308)
    },
    "MeshHTTPRouteRedirectPath": Feature(
        [
            moved("/one", hostname="example.org", path={**BELOW, "replacePrefixMatch": "/two"}),
            moved("/whole", hostname="example.org", path={**FULL, "replaceFullPath": "/new"}),
        ],
        [
            Ask("/one/a", f"302 http://example.org:{PORT}/two/a"),
            Ask("/whole/a", f"302 http://example.org:{PORT}/new"),
        ],
    ),
    "MeshHTTPRouteRedirectPort": Feature(
        [moved("/port", hostname="example.org", port=8083), moved("/usual", hostname="example.org", port=80)],
        [Ask("/port", "302 http://example.org:8083/port"), Ask("/usual", "302 http://example.org/usual")],
    ),
    "MeshHTTPRouteSchemeRedirect": Feature(
        [moved("/secure", hostname="example.org", scheme="https"), moved("/port", scheme="https", port=8443)],
        [
            Ask("/secure", "302 https://example.org/secure"),
            Ask("/port", "302 https://mesh-http-route-scheme-redirect:8443/port"),
        ],
    ),
    "MeshPorts": Feature(
        [to("v1", filters=STAMP)],
        [Ask("/anything", "v1", answered=STAMPED), Ask("/anything", "v1", answered=PLAIN, port=ALT)],
        {"port": PORT},
    ),
}
"""What one sidecar shows without interception, by the names of Gateway API's own tests."""
