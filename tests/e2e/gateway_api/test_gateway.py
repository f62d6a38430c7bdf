"""A real Envoy as the router of a Gateway API Gateway: responses to external clients, and mirrored requests."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.e2e.accepted.test_accepted import AcceptanceCheck
from tests.e2e.accepted.test_golden_accepted import assert_accepted
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.support.edge_router import Certificates, Router, router, secured_stage
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, until
from tests.test_golden import CASES

pytestmark = pytest.mark.envoy

HTTP, HTTPS = 18080, 18443
WEB, OTHER = "web.example.com", "other.example.com"
LABELS = {"gateway.networking.k8s.io/gateway-name": "edge"}
REQUESTS = 200


def gateway_api_object(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    manifest = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    text: str = yaml.safe_dump(manifest)
    return text


def edge_gateway(*listeners: Mapping[str, Any]) -> str:
    """The class and the Gateway."""
    return join_manifests(
        gateway_api_object("GatewayClass", "ours", {"controllerName": "mirrorplane.io/gateway-controller"}),
        gateway_api_object("Gateway", "edge", {"gatewayClassName": "ours", "listeners": list(listeners)}),
    )


def route(host: str, *rules: Mapping[str, Any]) -> str:
    spec = {"parentRefs": [{"name": "edge"}], "hostnames": [host], "rules": list(rules)}
    return gateway_api_object("HTTPRoute", host, spec)


def rule(path: str, *backends: str, filters: tuple[Mapping[str, Any], ...] = ()) -> dict[str, Any]:
    """A rule for a path prefix; a backend is a name, or `name*weight`."""
    refs = [{"name": name, "port": 80, "weight": int(w or 1)} for name, _, w in (b.partition("*") for b in backends)]
    return {"matches": [{"path": {"value": path}}], "backendRefs": refs, "filters": list(filters)}


def mirror(name: str, **share: Any) -> dict[str, Any]:
    return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}, **share}}


def services_for(*workloads: Workload) -> str:
    """Services of one workload each on this machine."""
    return join_manifests(
        *(join_manifests(service(w.name, 80), local_pod(w.name, w.name, {"app": w.name}, w.port)) for w in workloads)
    )


class EdgeClient:
    """An external client of a router."""

    def __init__(self, client: aiohttp.ClientSession, edge_router: Router) -> None:
        self._client, self._router = client, edge_router

    async def get(self, path: str, host: str = WEB) -> tuple[int, str]:
        """The status, and the workload that answered or the Location."""
        request = self._client.get(self._router.url("http", HTTP, path), headers={"Host": host}, allow_redirects=False)
        async with request as answer:
            await answer.read()
            return answer.status, answer.headers.get("Location") or answer.headers.get("X-Workload", "")


REWRITE = {"type": "URLRewrite", "urlRewrite": {"hostname": OTHER}}
BELOW = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/anything"}
TOP = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
FULL = {"type": "ReplaceFullPath", "replaceFullPath": "/anything/full"}
RULES = (
    rule("/anything/copied", "web", filters=(mirror("copy"), mirror("missing"), mirror("other", percent=0))),
    rule("/anything/part", "web", "other", filters=(mirror("copy", fraction={"numerator": 1, "denominator": 2}),)),
    rule("/below", "web", filters=({**REWRITE, "urlRewrite": {"hostname": OTHER, "path": BELOW}},)),
    rule("/top/", "web", filters=({**REWRITE, "urlRewrite": {"path": TOP}},)),
    rule("/full", "web", filters=({**REWRITE, "urlRewrite": {"path": FULL}},)),
    rule("/moved", filters=({"type": "RequestRedirect", "requestRedirect": {"path": BELOW}},)),
    rule("/top-moved", filters=({"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "path": TOP}},)),
    rule("/weights", "web*3", "other*1", filters=({**REWRITE, "urlRewrite": {"path": BELOW}},)),
    rule("/nobody", "web*0", "missing"),
    rule("/nothing"),
    rule("/partly", "web", "missing", filters=({**REWRITE, "urlRewrite": {"path": BELOW}}, mirror("copy"))),
    rule("/anything", "web"),
    {**rule("/anything", "other"), "matches": [{"path": {"value": "/anything"}, "method": "POST"}]},
)


@PROTOCOLS
async def test_a_router_does_what_routes_say(stage: Stage, client: aiohttp.ClientSession, delta: bool):
    async with Workload("web") as web, Workload("other") as other_workload, Workload("copy") as copy:
        listener = {"name": "http", "port": HTTP, "protocol": "HTTP"}
        rules = [route(WEB, *RULES), route(OTHER, rule("/", "other"))]
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, edge_gateway(listener), *rules, services_for(web, other_workload, copy))
        )
        edge_router = await router(stage, HTTP, delta=delta, labels=LABELS)
        caller = EdgeClient(client, edge_router)
        await _routes_by_host_and_path(caller, client, edge_router)
        await _changes_what_is_sent(caller, web)
        await _answers_itself(caller)
        await _shares(caller)
        await _copies(caller, web, other_workload, copy)
    assert not nack_messages(stage)


async def _routes_by_host_and_path(caller: EdgeClient, client: aiohttp.ClientSession, edge_router: Router) -> None:
    assert await caller.get("/anything/a") == (200, "web")
    assert await caller.get("/anything", OTHER) == (200, "other")
    assert await caller.get("/anything", f"{OTHER}:1234") == (200, "other")
    assert (await caller.get("/anythingelse"))[0] == 404, "prefixes end at slashes"
    assert (await caller.get("/anything", "stranger.example.com"))[0] == 404
    async with client.post(edge_router.url("http", HTTP, "/anything"), headers={"Host": WEB}) as answer:
        assert answer.headers["X-Workload"] == "other"


async def _changes_what_is_sent(caller: EdgeClient, web: Workload) -> None:
    web.received.clear()
    for path in ("/below/a?b=c", "/below", "/below/", "/top/anything", "/top/", "/top", "/full/x?y=z"):
        await caller.get(path)
    assert [(r.host, r.path) for r in web.received[:3]] == [
        (OTHER, "/anything/a?b=c"),
        (OTHER, "/anything"),
        (OTHER, "/anything/"),
    ]
    assert [r.path for r in web.received[3:]] == ["/anything", "/", "/", "/anything/full?y=z"]


async def _answers_itself(caller: EdgeClient) -> None:
    assert await caller.get("/moved/a?b") == (302, f"http://{WEB}:{HTTP}/anything/a?b")
    assert await caller.get("/top-moved/a") == (302, f"https://{WEB}/a")
    assert await caller.get("/nobody") == (500, "")
    assert await caller.get("/nothing") == (500, "")


async def _shares(caller: EdgeClient) -> None:
    """Wide bounds: one run in ten million exceeds them."""
    counts = Counter([await caller.get("/weights") for _ in range(REQUESTS)])
    assert set(counts) == {(200, "web"), (200, "other")}
    assert 110 <= counts[200, "web"] <= 185
    counts = Counter([await caller.get("/partly") for _ in range(REQUESTS)])
    assert set(counts) == {(200, "web"), (500, "")}
    assert 65 <= counts[500, ""] <= 135


async def _copies(caller: EdgeClient, web: Workload, other_workload: Workload, copy: Workload) -> None:
    for workload in (web, other_workload, copy):
        workload.received.clear()
    paths, sent = {f"/anything/copied/{i}" for i in range(10)}, 0
    while missing := paths - {r.path for r in copy.received}:  # a copy that cannot connect within a second is dropped
        sent += len(missing)
        for path in sorted(missing):
            assert await caller.get(path) == (200, "web")
        with suppress(AssertionError):
            await until(lambda: paths <= {r.path for r in copy.received}, "all were copied", 2)
        assert sent <= 3 * len(paths), "copies are missing again and again"
    copied = {(r.host, r.path) for r in copy.received if r.path.startswith("/anything/copied")}  # others may be late
    assert copied == {(WEB, path) for path in paths}
    assert (len(web.received), other_workload.received) == (sent, []), (
        "nothing is copied by 0 %, nor to what is missing"
    )
    copy.received.clear()
    for _ in range(REQUESTS):
        await caller.get("/anything/part")
    await until(lambda: len(copy.received) >= 65, "half of them were copied")
    assert len(copy.received) <= 135


async def test_an_https_listener_terminates_tls_with_its_secret(tmp_path: Path, client: aiohttp.ClientSession):
    issued = Certificates()
    async with secured_stage(tmp_path, account="edge-ours") as (stage, tls), Workload("web") as web:
        tls_spec = {"certificateRefs": [{"name": "web"}]}
        listeners = [
            {"name": "https", "port": HTTPS, "protocol": "HTTPS", "hostname": WEB, "tls": tls_spec},
            {"name": "http", "port": HTTP, "protocol": "HTTP"},
        ]
        away = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "port": HTTPS, "statusCode": 301}}
        both = [
            gateway_api_object("HTTPRoute", "web", {"parentRefs": _parent_refs("https"), "rules": [rule("/", "web")]}),
            gateway_api_object(
                "HTTPRoute", "away", {"parentRefs": _parent_refs("http"), "rules": [rule("/", filters=(away,))]}
            ),
        ]
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, edge_gateway(*listeners), *both, services_for(web), issued.secret("web", WEB))
        )
        edge_router = await router(stage, HTTP, HTTPS, tls=tls, labels=LABELS)
        url = edge_router.url("https", HTTPS, "/anything")
        request = client.get(url, headers={"Host": WEB}, ssl=issued.client(), server_hostname=WEB)
        async with request as answer:
            assert (answer.status, answer.headers["X-Workload"]) == (200, "web")
        with pytest.raises(aiohttp.ClientError):
            await client.get(url, headers={"Host": OTHER}, ssl=issued.client(), server_hostname=OTHER)
        assert await EdgeClient(client, edge_router).get("/a") == (301, f"https://{WEB}:{HTTPS}/a")
        assert not nack_messages(stage)


def _parent_refs(section: str) -> list[dict[str, str]]:
    return [{"name": "edge", "sectionName": section}]


async def test_envoy_accepts_the_golden_cases(tmp_path: Path):
    cases = [case for case in CASES if case.parent.name == "gateway_api"]
    assert len(cases) >= 4
    async with secured_stage(tmp_path, account="edge-mirrorplane") as (stage, tls):
        edge_router = await router(stage, *range(8080, 8090), 8443, 9443, tls=tls, labels=LABELS)
        await assert_accepted(AcceptanceCheck(stage, edge_router.envoy.log), cases, tmp_path)
