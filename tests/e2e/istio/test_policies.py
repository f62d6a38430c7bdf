"""Traffic policies of DestinationRules, through a real Envoy."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from mirrorplane.api.proxy import Locality
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.stuck_servers import never_reading
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.controlplane.playground.envoys import config_dump
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.support.manifests import (
    DEADLINE_S,
    findings,
    join_manifests,
    mesh_config,
    route,
    until,
    versions,
    virtual_service,
)
from tests.e2e.support.sidecars import Sidecar, sidecar, sleeper
from tests.e2e.support.tls_workload import TlsWorkload

pytestmark = pytest.mark.envoy

PORT = 8000
HOST = "web.default.svc.cluster.local"
HUGE = 2**31 - 1


class Mesh(msgspec.Struct, frozen=True):
    """A sidecar whose clients call the service `web`."""

    stage: Stage
    sidecar: Sidecar
    client: aiohttp.ClientSession

    async def get(self, path: str = "/anything", **headers: str) -> tuple[int, str]:
        """Call `web`; return the status, and the workload that answered."""
        url = f"http://web:{PORT}{path}"
        async with self.client.get(url, proxy=self.sidecar.proxy, headers=headers) as answer:
            return answer.status, answer.headers.get("X-Workload", "")

    async def rule(self, host: str, policy: Mapping[str, Any]) -> None:
        await self.stage.apply(rule(host, policy))

    async def stat(self, cluster: str, counter: str) -> int:
        stats = await self.sidecar.envoy.stats(rf"^cluster\.{cluster}\|.*\.{counter}$")
        return sum(stats.values())


def rule(host: str, policy: Mapping[str, Any]) -> str:
    """A DestinationRule with a traffic policy, named after its host."""
    manifest = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": host},
        "spec": {"host": host, "trafficPolicy": dict(policy)},
    }
    text: str = yaml.safe_dump(manifest)
    return text


def outside(places: Mapping[str, int]) -> str:
    """The service `web` as a ServiceEntry: locality to port, each on this machine."""
    endpoints = [{"address": "127.0.0.1", "locality": where, "ports": {"http": n}} for where, n in places.items()]
    ports = [{"number": PORT, "name": "http", "protocol": "HTTP"}]
    manifest = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "web"},
        "spec": {"hosts": [HOST], "ports": ports, "resolution": "STATIC", "endpoints": endpoints},
    }
    text: str = yaml.safe_dump(manifest)
    return text


@pytest.fixture
async def mesh(stage: Stage, client: aiohttp.ClientSession) -> Mesh:
    await stage.apply(join_manifests(mesh_config({}), service("web", PORT)))
    return Mesh(stage, await sidecar(stage, PORT), client)


@pytest.fixture
async def three(mesh: Mesh) -> AsyncIterator[Mesh]:
    """The same, with three workloads behind `web`."""
    async with AsyncExitStack() as stack:
        workloads = [await stack.enter_async_context(Workload(f"v{i}")) for i in (1, 2, 3)]
        await mesh.stage.apply(versions("web", [workload.port for workload in workloads]))
        yield mesh


@pytest.mark.parametrize("algorithm", [{}, {"maglev": {"tableSize": 1009}}], ids=["ring", "maglev"])
@pytest.mark.parametrize("ruled", [False, True], ids=["service", "rules"])
async def test_equal_keys_reach_the_same_workload(three: Mesh, algorithm: Mapping[str, Any], ruled: bool):
    await three.rule("web", {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user", **algorithm}}})
    if ruled:
        await three.stage.apply(virtual_service("web", {"route": route(("web", "", 1))}))
    reached: dict[str, set[str]] = {}
    for user in range(30):
        reached[str(user)] = {(await three.get(**{"x-user": str(user)}))[1] for _ in range(5)}
    assert all(len(workloads) == 1 for workloads in reached.values())
    assert set.union(*reached.values()) == {"v1", "v2", "v3"}


async def test_a_cookie_set_by_the_proxy_pins_a_client_to_a_workload(three: Mesh):
    await three.rule(
        "web", {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "user", "path": "/", "ttl": "60s"}}}}
    )
    url = f"http://web:{PORT}/anything"
    async with three.client.get(url, proxy=three.sidecar.proxy) as answer:
        cookie, workload = answer.cookies["user"], answer.headers["X-Workload"]
    assert cookie["path"] == "/"
    assert cookie["max-age"] == "60"
    workloads = {(await three.get(Cookie=f"user={cookie.value}"))[1] for _ in range(10)}
    assert workloads == {workload}


async def test_round_robin_balances_evenly(three: Mesh):
    await three.rule("web", {"loadBalancer": {"simple": "ROUND_ROBIN"}})
    counts = Counter([(await three.get())[1] for _ in range(30)])
    assert counts == {"v1": 10, "v2": 10, "v3": 10}


async def test_a_full_connection_pool_rejects_at_once(three: Mesh):
    limits = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1, "http2MaxRequests": 1}}
    await three.rule("web", {"connectionPool": limits})
    answers = Counter(status for status, _ in await asyncio.gather(*(three.get("/delay/1") for _ in range(10))))
    assert answers.keys() == {200, 503}
    assert answers[200] <= 2, "one in flight, and perhaps one pending"


class BrokenWorkload:
    """A workload that answers every request with `status`."""

    def __init__(self, status: int) -> None:
        self.status, self.port = status, 0

    async def __aenter__(self) -> "BrokenWorkload":
        self._runner = web.ServerRunner(web.Server(self._fail))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _fail(self, _: web.BaseRequest) -> web.Response:
        return web.Response(status=self.status, headers={"X-Workload": "broken"})


async def test_a_failing_workload_is_ejected(mesh: Mesh):
    async with Workload("good") as healthy, BrokenWorkload(500) as broken:
        await mesh.stage.apply(versions("web", [healthy.port, broken.port]))
        policy = {"consecutive5xxErrors": 1, "baseEjectionTime": "10m", "maxEjectionPercent": 100}
        await mesh.rule("web", {"outlierDetection": policy, "loadBalancer": {"simple": "ROUND_ROBIN"}})
        answers = [await mesh.get() for _ in range(20)]
    assert answers.count((500, "broken")) == 1
    assert answers.count((200, "good")) == 19


async def test_only_the_listed_error_codes_eject_a_workload(mesh: Mesh):
    async with Workload("good") as healthy, BrokenWorkload(500) as broken:
        await mesh.stage.apply(versions("web", [healthy.port, broken.port]))
        detection = {"consecutive5xxErrors": 1, "baseEjectionTime": "10m", "maxEjectionPercent": 100}
        detection["outlierDetectionHttpErrorCodes"] = [418, 429]
        await mesh.rule("web", {"outlierDetection": detection, "loadBalancer": {"simple": "ROUND_ROBIN"}})
        assert [await mesh.get() for _ in range(10)].count((500, "broken")) == 5
        broken.status = 429
        assert [await mesh.get() for _ in range(10)].count((429, "broken")) == 1


async def test_an_http2_connection_without_answers_to_pings_is_closed(mesh: Mesh):
    async with never_reading() as stuck:
        await mesh.stage.apply(join_manifests(service("web", PORT, "http2"), versions("web", [stuck.port], "http2")))
        pings = {"http": {"http2KeepAlive": {"interval": "100ms", "timeout": "100ms"}}}
        await mesh.rule("web", {"connectionPool": pings})
        assert (await mesh.get())[0] == 503, "without pings it would wait for its answer forever"
        assert await mesh.stat("outbound", r"http2\.keepalive_timeout") > 0


async def test_requests_go_to_the_workload_that_reports_less_load(mesh: Mesh):
    async with AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(reporting(name, load)) for name, load in (("idle", 0.1), ("busy", 0.9))
        ]
        await mesh.stage.apply(versions("web", ports))
        await mesh.rule("web", {"loadBalancer": {"simple": "ROUND_ROBIN"}})
        assert [(await mesh.get())[1] for _ in range(20)].count("idle") == 10
        periods = {"weightStabilizationPeriod": "0s", "weightUpdatePeriod": "100ms"}
        await mesh.rule("web", {"loadBalancer": {"backendUtilization": periods}})
        async with asyncio.timeout(DEADLINE_S):
            while [(await mesh.get())[1] for _ in range(20)].count("idle") < 16:
                pass


@asynccontextmanager
async def reporting(name: str, load: float) -> AsyncIterator[int]:
    """Serve as a workload that reports its utilization with every answer."""
    report = f"TEXT application_utilization={load},rps_fractional=100"

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(headers={"X-Workload": name, "endpoint-load-metrics": report})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_envoy_reads_the_interval_of_a_retry_budget(three: Mesh):
    await three.rule("web", {"retryBudget": {"percent": 25, "budgetInterval": "10s"}})
    dump = json.dumps(await config_dump(three.sidecar.envoy))
    assert '"budget_interval": "10s"' in dump


@PROTOCOLS
async def test_local_workloads_are_preferred_until_they_fail(stage: Stage, client: aiohttp.ClientSession, delta: bool):
    async with AsyncExitStack() as stack:
        near, far = [await stack.enter_async_context(Workload(name)) for name in ("near", "far")]
        await stage.apply(join_manifests(mesh_config({}), outside({"eu/a": near.port, "us/a": far.port})))
        meshes = {}
        for region in ("eu", "us"):
            proxy = msgspec.structs.replace(sleeper(PORT), locality=Locality(region, "a"))
            meshes[region] = Mesh(stage, Sidecar(await stage.sidecar(proxy, delta=delta), proxy.ip), client)
        eu_mesh, us_mesh = meshes["eu"], meshes["us"]
        assert {(await eu_mesh.get())[1] for _ in range(20)} == {"near", "far"}

        await eu_mesh.rule("web", {"loadBalancer": {"zoneAwareLbSetting": {}}})
        assert {(await eu_mesh.get())[1] for _ in range(10)} == {"near"}, "regions go first without outlierDetection"

        ejecting = {
            "outlierDetection": {"consecutive5xxErrors": 1, "baseEjectionTime": "10m", "maxEjectionPercent": 100}
        }
        await eu_mesh.rule("web", ejecting)
        assert {(await eu_mesh.get())[1] for _ in range(10)} == {"near"}
        assert {(await us_mesh.get())[1] for _ in range(10)} == {"far"}, "locality is that of each proxy"

        shares = {"distribute": [{"from": "eu/*", "to": {"us": 100}}]}
        await eu_mesh.rule("web", {**ejecting, "loadBalancer": {"localityLbSetting": shares}})
        assert {(await eu_mesh.get())[1] for _ in range(10)} == {"far"}
        await eu_mesh.rule("web", ejecting)
        await near.stop()
        assert await eu_mesh.get() in {(503, ""), (200, "far")}
        assert {await eu_mesh.get() for _ in range(10)} == {(200, "far")}


async def test_a_rule_with_a_workload_selector_applies_to_those_clients_only(three: Mesh):
    curl = msgspec.structs.replace(sleeper(PORT), name="curl", labels={"app": "curl"})
    curl_mesh = Mesh(three.stage, Sidecar(await three.stage.sidecar(curl), curl.ip), three.client)
    curl_rule = yaml.safe_load(rule("web", {"tls": {"mode": "ISTIO_MUTUAL"}}))
    curl_rule["spec"]["workloadSelector"] = {"matchLabels": {"app": "curl"}}
    assert (await curl_mesh.get())[0] == 200
    await three.stage.apply(yaml.safe_dump(curl_rule))
    assert (await curl_mesh.get())[0] == 503
    assert (await three.get())[0] == 200
    curl_rule["spec"]["workloadSelector"] = {"matchLabels": {"app": "sleep"}}
    await three.stage.apply(yaml.safe_dump(curl_rule))
    assert (await curl_mesh.get())[0] == 200
    assert (await three.get())[0] == 503


@PROTOCOLS
async def test_mutual_tls_to_a_server_that_requires_a_certificate(
    stage: Stage, client: aiohttp.ClientSession, tmp_path: Path, delta: bool
):
    await stage.apply(join_manifests(mesh_config({}), service("web", PORT)))
    mesh = Mesh(stage, await sidecar(stage, PORT, delta=delta), client)
    async with TlsWorkload(tmp_path, HOST, "web", client_certificates=True) as secured:
        await stage.apply(versions("web", [secured.port]))
        mutual = {"mode": "MUTUAL", "clientCertificate": str(secured.cert), "privateKey": str(secured.key)}
        await mesh.rule("web", {"tls": {**mutual, "caCertificates": str(secured.ca)}})
        assert await mesh.get() == (200, "secured")
        assert [(connection.sni, connection.certified) for connection in secured.requests] == [("web", True)]

        await mesh.rule(
            "web", {"tls": {**mutual, "caCertificates": str(secured.ca), "sni": "web", "subjectAltNames": ["api"]}}
        )
        assert (await mesh.get())[0] == 503, "the certificate has another name"
        await mesh.rule("web", {"tls": mutual})
        assert (await mesh.get())[0] == 503, "the system does not trust the certificate"
        await mesh.rule("web", {"tls": {**mutual, "insecureSkipVerify": True}})
        assert await mesh.get() == (200, "secured")
        await mesh.rule("web", {"tls": {"mode": "DISABLE"}})
        assert (await mesh.get())[0] != 200, "plain text to a TLS server"


async def test_a_missing_certificate_file_breaks_no_other_service(three: Mesh, tmp_path: Path):
    stage = three.stage
    await stage.apply(join_manifests(service("other", PORT), rule("other", {"tls": {"mode": "SIMPLE"}})))
    bad = {"tls": {"mode": "SIMPLE", "caCertificates": str(tmp_path / "missing.pem")}}
    await stage.apply(rule("other", bad))
    await until(lambda: any(f.about.name == "other" and f.reason == "Rejected" for f in findings(stage)), "it was told")
    assert (await three.get())[0] == 200
    await three.rule("web", {"loadBalancer": {"simple": "ROUND_ROBIN"}})
    assert Counter([(await three.get())[1] for _ in range(6)]) == {"v1": 2, "v2": 2, "v3": 2}


async def test_without_workload_certificates_requests_fail_and_a_finding_reports_it(three: Mesh):
    await three.rule("web", {"tls": {"mode": "ISTIO_MUTUAL"}})
    assert (await three.get())[0] == 503
    [finding] = findings(three.stage)
    assert (finding.reason, finding.path) == ("NoWorkloadCertificates", "spec.trafficPolicy.tls.mode")


async def test_a_mirror_to_a_tls_host_uses_tls(three: Mesh, tmp_path: Path):
    name = "recorder.default.svc.cluster.local"
    async with TlsWorkload(tmp_path, name) as recorder:
        tls = {"mode": "SIMPLE", "caCertificates": str(recorder.ca)}
        objects = join_manifests(
            service("recorder", PORT), versions("recorder", [recorder.port]), rule("recorder", {"tls": tls})
        )
        await three.stage.apply(objects)
        await three.stage.apply(
            virtual_service("web", {"route": route(("web", "", 1)), "mirror": {"host": "recorder"}})
        )
        assert (await three.get())[0] == 200
        await until(lambda: bool(recorder.requests), "the copy arrived")
        [connection] = recorder.requests
        assert (connection.sni, connection.host) == (name, f"web-shadow:{PORT}"), (
            "the server's name is its own, not the copy's Host"
        )

    async with TlsWorkload(tmp_path, "somebody.else") as stranger:
        await three.stage.apply(join_manifests(versions("recorder", [stranger.port]), rule("recorder", {"tls": tls})))
        assert (await three.get())[0] == 200
        async with asyncio.timeout(DEADLINE_S):
            while not await three.stat("mirror", "ssl.fail_verify_san") + await three.stat(
                "mirror", "ssl.fail_verify_error"
            ):
                await three.get()
        assert stranger.requests == []


async def test_a_permissive_rule_does_not_loosen_the_mirror_guards(three: Mesh):
    generous = {
        "tcp": {"maxConnections": HUGE, "connectTimeout": "1h"},
        "http": {"http1MaxPendingRequests": HUGE, "http2MaxRequests": HUGE, "maxRetries": HUGE, "idleTimeout": "1h"},
    }
    guards = {"mirroring": {"guards": {"maxRequests": 3, "deadline": "2s"}}}
    policy = {"connectionPool": generous, "retryBudget": {"percent": 100, "minRetryConcurrency": HUGE}}
    async with never_reading() as stuck:
        objects = (service("bad", PORT), versions("bad", [stuck.port]), rule("bad", policy), mesh_config(guards))
        await three.stage.apply(join_manifests(*objects))
        rules = {"route": route(("web", "", 1)), "mirror": {"host": "bad"}}
        await three.stage.apply(virtual_service("web", {**rules, "retries": {"attempts": 5, "retryOn": "5xx"}}))
        assert {(await three.get())[0] for _ in range(30)} == {200}
        assert await three.stat("mirror", "upstream_rq_active") <= 3
        assert await three.stat("mirror", "upstream_cx_active") <= 3
        assert await three.stat("mirror", "upstream_rq_retry") == 0
        overflow = await three.stat("mirror", "upstream_rq_pending_overflow")
        assert overflow + await three.stat("mirror", "upstream_cx_overflow") > 0
        async with asyncio.timeout(DEADLINE_S):
            while await three.stat("mirror", "upstream_rq_(pending_)?active"):
                await asyncio.sleep(0.1)
