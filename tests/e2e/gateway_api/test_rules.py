"""HTTPRoute rules in a real Envoy that the matcher cannot predict: retries, timeouts, sessions, external auth."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import grpc
import msgspec
import pytest

from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.e2e.gateway_api.test_gateway import (
    LABELS,
    WEB,
    edge_gateway,
    gateway_api_object,
    mirror,
    route,
    rule,
    services_for,
)
from tests.e2e.istio.test_gateways import Echo
from tests.e2e.support.authorization_servers import GOOD_TOKEN, GrpcAuthServer, HttpAuthServer
from tests.e2e.support.edge_router import Router, SlowWorkload, router
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, until, versions

pytestmark = pytest.mark.envoy

HTTP = 18080
REQUESTS = 300


class World(msgspec.Struct, frozen=True):
    """A router, workloads, and a client."""

    stage: Stage
    router: Router
    client: aiohttp.ClientSession
    web: Workload
    other_workload: Workload
    copy: Workload

    async def ask(self, path: str, method: str = "GET", **options: Any) -> tuple[int, dict[str, str], str]:
        """Return status, headers with names in lower case, and body; the Host is WEB by default."""
        headers = {"Host": WEB, **options.pop("headers", {})}
        url = self.router.url("http", options.pop("port", HTTP), path)
        async with self.client.request(method, url, headers=headers, allow_redirects=False, **options) as answer:
            text = await answer.text()
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, text

    def count_requests(self, path: str) -> int:
        """The number of requests for a path that arrived."""
        return sum(request.path == path for request in self.web.received)


def web_rule(path: str, **more: Any) -> dict[str, Any]:
    return {**rule(path, "web"), **more}


def rewrite_prefix(prefix: str) -> dict[str, Any]:
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}
    return {"type": "URLRewrite", "urlRewrite": {"path": path}}


def backend(name: str, weight: int, *filters: dict[str, Any], port: int = 80) -> dict[str, Any]:
    return {"name": name, "port": port, "weight": weight, "filters": list(filters)}


def external_auth_filter(protocol: str, name: str, port: int = 80, **more: Any) -> dict[str, Any]:
    external_auth = {"protocol": protocol, "backendRef": {"name": name, "port": port}, **more}
    return {"type": "ExternalAuth", "externalAuth": external_auth}


def cors_filter(**config: Any) -> dict[str, Any]:
    return {"type": "CORS", "cors": config}


@pytest.fixture
async def world(stage: Stage, client: aiohttp.ClientSession) -> AsyncIterator[World]:
    """Three workloads, `web` with a second version, and a router for the Gateway."""
    async with AsyncExitStack() as stack:
        web, other_workload, copy = [
            await stack.enter_async_context(Workload(name)) for name in ("web", "other", "copy")
        ]
        listener = {"name": "http", "port": HTTP, "protocol": "HTTP"}
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                edge_gateway(listener),
                route(WEB, rule("/anything", "web")),
                services_for(web, other_workload, copy),
            )
        )
        yield World(stage, await router(stage, HTTP, labels=LABELS), client, web, other_workload, copy)
        assert not nack_messages(stage)


async def test_failed_requests_are_retried_as_often_as_the_rule_says(world: World):
    by_code = {"codes": [500], "attempts": 2, "backoff": "1ms"}
    await world.stage.apply(
        route(
            WEB,
            web_rule("/status", retry=by_code),
            web_rule("/delay", retry={"attempts": 2, "backoff": "1ms"}, timeouts={"backendRequest": "300ms"}),
            web_rule("/delay/9", retry={"attempts": 9, "backoff": "1ms"},
               timeouts={"request": "1500ms", "backendRequest": "1s"}),
            web_rule("/anything"),
            web_rule("/status/502"),
            web_rule("/delay/8", timeouts={"request": "100ms"}),
        )
    )  # fmt: skip
    for path, status, tries in (
        ("/status/500", 500, 3),
        ("/status/503", 503, 1),
        ("/status/502", 502, 1),
        ("/delay/5", 504, 3),
        ("/delay/9", 504, 2),
        ("/delay/8", 504, 1),
    ):
        assert (await world.ask(path))[0] == status, path
        await until(lambda p=path, n=tries: world.count_requests(p) >= n, f"{path} was tried {tries} times")
        assert world.count_requests(path) == tries, path


async def test_reset_connections_are_retried(world: World):
    connections = 0

    async def abort_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    server = await asyncio.start_server(abort_connection, "127.0.0.1", 0)
    async with server:
        number = server.sockets[0].getsockname()[1]
        objects = join_manifests(service("loses", 80), local_pod("loses", "loses", {"app": "loses"}, number))
        retry_rule = {**rule("/tried", "loses"), "retry": {"attempts": 2, "backoff": "1ms"}}
        await world.stage.apply(join_manifests(objects, route(WEB, retry_rule, rule("/once", "loses"))))
        assert (await world.ask("/once"))[0] == 503
        assert connections == 1, "the mesh's default retries do not apply to Gateway API"
        assert (await world.ask("/tried"))[0] == 503
        assert connections == 4


async def test_sessions_stay_at_their_endpoint(world: World):
    async with Workload("v1") as v1, Workload("v2") as v2, Workload("v3") as v3:
        to_app = {"backendRefs": [{"name": "app", "port": 80}]}
        by_cookie = {"absoluteTimeout": "1h", "cookie": {"name": "sid", "lifetimeType": "Permanent"}}
        by_header = {"type": "Header", "header": {"name": "x-session"}}
        rules = [
            {**web_rule("/anything/cookie", sessionPersistence=by_cookie), **to_app},
            {**web_rule("/anything/header", sessionPersistence=by_header), **to_app},
            {**web_rule("/anything/none"), **to_app},
        ]
        ports = [v1.port, v2.port, v3.port]
        await world.stage.apply(join_manifests(service("app", 80), versions("app", ports), route(WEB, *rules)))
        status, headers, _ = await world.ask("/anything/cookie")
        assert (status, "Max-Age=3600" in headers["set-cookie"]) == (200, True)
        cookie = {"Cookie": headers["set-cookie"].partition(";")[0]}
        workload = headers["x-workload"]
        for _ in range(12):
            assert (await world.ask("/anything/cookie", headers=cookie))[1]["x-workload"] == workload
        _, headers, _ = await world.ask("/anything/header")
        session, workload = {"x-session": headers["x-session"]}, headers["x-workload"]
        for _ in range(12):
            assert (await world.ask("/anything/header", headers=session))[1]["x-workload"] == workload
        workloads = {
            (await world.ask("/anything/none", headers={**cookie, **session}))[1]["x-workload"] for _ in range(40)
        }
        assert workloads == {"v1", "v2", "v3"}


async def test_sessions_stay_at_their_backend_and_endpoint(world: World):
    async with Workload("v1") as v1, Workload("v2") as v2:
        refs = [{"name": name, "port": 80} for name in ("app", "other", "gone")]
        session_rule = {**web_rule("/anything", sessionPersistence={"cookie": {"name": "sid"}}), "backendRefs": refs}
        services = join_manifests(service("app", 80), versions("app", [v1.port, v2.port]))
        await world.stage.apply(join_manifests(services, route(WEB, session_rule)))
        begun = {}
        for _ in range(90):
            status, workload, cookies = await _ask_with_cookies(world, "")
            assert (status, len(cookies)) in {(200, 2), (500, 0)}, "a failed request starts no session"
            if status == 200:
                begun["; ".join(sorted(cookies))] = workload
        assert set(begun.values()) == {"v1", "v2", "other"}
        for cookies, workload in begun.items():
            for _ in range(8):
                status, answerer, new_cookies = await _ask_with_cookies(world, f"a=b; {cookies}")
                assert (status, answerer) == (200, workload)
                assert not any(cookie.startswith("sid-backend") for cookie in new_cookies)


async def _ask_with_cookies(world: World, cookies: str) -> tuple[int, str, list[str]]:
    """Send a request with cookies; return the status, the workload, and the cookies that were set."""
    headers = {"Host": WEB, **({"Cookie": cookies} if cookies else {})}
    async with world.client.get(world.router.url("http", HTTP, "/anything"), headers=headers) as answer:
        given = [cookie.partition(";")[0] for cookie in answer.headers.getall("Set-Cookie", [])]
        return answer.status, answer.headers.get("X-Workload", ""), given


async def test_each_backend_gets_its_share_with_its_own_filters(world: World):
    rules = (
        {
            **rule("/old"),
            "filters": [mirror("copy", percent=50)],
            "backendRefs": [
                backend("web", 2, rewrite_prefix("/anything/new")),
                backend("other", 1, rewrite_prefix("/anything/second"), mirror("copy", percent=100)),
                backend("web", 1, {"type": "RequestRedirect", "requestRedirect": {"hostname": "moved.example.com"}}),
            ],
        },
        {**rule("/only"), "backendRefs": [backend("web", 1, rewrite_prefix("/anything/only"), mirror("copy"))]},
    )
    await world.stage.apply(route(WEB, *rules))
    assert (await world.ask("/only"))[1]["x-workload"] == "web"
    await until(
        lambda: [request.path for request in world.copy.received] == ["/anything/only"], "the only one was copied"
    )
    world.copy.received.clear()
    world.web.received.clear()
    counts = Counter([(await world.ask(f"/old/{i}"))[0] for i in range(REQUESTS)])
    assert 40 <= counts[302] <= 110, "a quarter"
    assert set(counts) == {200, 302}
    second_paths = {request.path for request in world.other_workload.received}
    assert len(second_paths) + len(world.web.received) == counts[200]
    assert {request.path.rpartition("/")[0] for request in world.web.received} == {"/anything/new"}
    await until(
        lambda: second_paths <= {request.path for request in world.copy.received}, "all of one share were copied", 5
    )
    copy_counts = Counter(request.path.split("/")[2] for request in world.copy.received)
    assert len(second_paths) < copy_counts["second"] < 2 * len(second_paths), "and half of them by the rule too"
    share = copy_counts["new"] / len(world.web.received)
    assert 0.3 <= share <= 0.7, "half of the other share were copied"


async def test_cors_headers_are_sent_to_allowed_origins(world: World):
    origins = ["https://www.foo.com", "https://*.bar.com"]
    some_filter = cors_filter(allowOrigins=origins, allowMethods=["GET", "OPTIONS"],
                allowHeaders=["x-a", "x-b"], exposeHeaders=["x-c"], allowCredentials=True, maxAge=3600)  # fmt: skip
    every_filter = cors_filter(allowOrigins=["*"], allowMethods=["*"], allowHeaders=["*"], allowCredentials=True)
    anyone_filter = cors_filter(allowOrigins=["*"], allowMethods=["PUT"])
    rules = (
        web_rule("/anything/some", filters=[some_filter]),
        web_rule("/anything/every", filters=[every_filter]),
        web_rule("/anything/one", filters=[anyone_filter]),
    )
    await world.stage.apply(route(WEB, *rules))

    async def preflight(path: str, origin: str, *header_names: str) -> tuple[int, dict[str, str]]:
        asked_headers = {"Access-Control-Request-Headers": ", ".join(header_names)} if header_names else {}
        headers = {"Origin": origin, "Access-Control-Request-Method": "PUT", **asked_headers}
        status, cors_headers, _ = await world.ask(path, "OPTIONS", headers=headers)
        prefix = "access-control-"
        return status, {k.removeprefix(prefix): v for k, v in cors_headers.items() if k.startswith(prefix)}

    for origin in ("https://www.foo.com", "https://www.bar.com", "https://a.b.bar.com"):
        cors_headers = {"allow-origin": origin, "allow-methods": "GET,OPTIONS", "allow-headers": "x-a,x-b",
                "expose-headers": "x-c", "allow-credentials": "true", "max-age": "3600"}  # fmt: skip
        assert await preflight("/anything/some", origin, "x-a", "x-b") == (200, cors_headers)
    assert await preflight("/anything/some", "https://foobar.com") == (403, {})
    echoed_headers = {
        "allow-origin": "https://a.b",
        "allow-methods": "PUT",
        "allow-credentials": "true",
        "max-age": "5",
    }
    assert await preflight("/anything/every", "https://a.b") == (200, echoed_headers)
    assert await preflight("/anything/every", "https://a.b", "x-a", "x-b") == (
        200,
        {**echoed_headers, "allow-headers": "x-a, x-b"},
    )
    cors_headers = {"allow-origin": "https://a.b:1234", "allow-methods": "PUT", "max-age": "5"}
    assert await preflight("/anything/one", "https://a.b:1234") == (200, cors_headers)
    assert world.web.received == [], "preflights are answered by the proxy"
    for origin, allowed in (("https://www.foo.com", "https://www.foo.com"), ("https://foobar.com", None)):
        status, headers, _ = await world.ask("/anything/some", headers={"Origin": origin})
        assert (status, headers.get("access-control-allow-origin")) == (200, allowed)


async def test_a_request_without_authorization_is_refused(world: World):
    async with HttpAuthServer() as guard, GrpcAuthServer() as by_grpc:
        auth_ports = {"guard": guard.port, "by-grpc": by_grpc.port, "dead": 1}
        pods = [
            join_manifests(service(n, 80, "any"), local_pod(n, n, {"app": n}, p, "any")) for n, p in auth_ports.items()
        ]
        http = {"path": "/check", "allowedHeaders": ["x-a"], "allowedResponseHeaders": ["x-user"]}
        rules = (
            web_rule("/anything/http", filters=[external_auth_filter("HTTP", "guard", http=http)]),
            web_rule("/anything/all", filters=[external_auth_filter("HTTP", "guard", http={})]),
            web_rule(
                "/anything/body", filters=[external_auth_filter("HTTP", "guard", http={}, forwardBody={"maxSize": 10})]
            ),
            web_rule("/anything/grpc", filters=[external_auth_filter("GRPC", "by-grpc", grpc={})]),
            web_rule("/anything/dead", filters=[external_auth_filter("HTTP", "dead", http={})]),
            web_rule("/anything/missing", filters=[external_auth_filter("HTTP", "missing", http={})]),
            web_rule("/anything/free"),
        )
        await world.stage.apply(join_manifests(*pods, route(WEB, *rules)))
        valid_headers = {"Authorization": GOOD_TOKEN, "X-A": "1", "X-B": "2"}
        for path, status_without, status in (
            ("/anything/http", 401, 200),
            ("/anything/all", 401, 200),
            ("/anything/grpc", 403, 200),
            ("/anything/dead", 403, 403),
            ("/anything/missing", 500, 500),
            ("/anything/free", 200, 200),
        ):
            assert (await world.ask(path))[0] == status_without, path
            assert (await world.ask(path, headers=valid_headers))[0] == status, path
        auth_headers = next(headers for line, headers, _ in guard.checks if "x-a" in headers)
        assert "GET /check/anything/http" in [line for line, _, _ in guard.checks]
        assert auth_headers["x-a"] == "1"
        assert "x-b" not in auth_headers
        received = {request.path: request.headers for request in world.web.received}
        assert received["/anything/http"]["x-user"] == "joe"
        assert "x-said" not in received["/anything/http"]
        assert received["/anything/all"]["x-said"] == "no"
        assert received["/anything/grpc"]["x-user"] == "joe"
        assert by_grpc.checks[-1].attributes.request.http.headers["x-b"] == "2"
        assert (await world.ask("/anything/body", "POST", data=b"hello", headers=valid_headers))[0] == 200
        assert guard.checks[-1][2] == b"hello"
        assert (await world.ask("/anything/body", "POST", data=b"longer than ten", headers=valid_headers))[0] == 413


async def test_web_sockets_and_http2_go_to_ports_with_that_app_protocol(world: World):
    upstream = grpc.aio.server()
    upstream.add_generic_rpc_handlers([Echo()])
    number = upstream.add_insecure_port("127.0.0.1:0")
    await upstream.start()
    async with SlowWorkload() as slow:
        sockets = yaml.safe_load(service("sockets", 80))
        sockets["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/ws"
        http2 = yaml.safe_load(service("http2", 80))
        http2["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
        objects = join_manifests(
            *(yaml.safe_dump(manifest) for manifest in (sockets, http2)),
            local_pod("sockets", "sockets", {"app": "sockets"}, slow.port),
            local_pod("http2", "http2", {"app": "http2"}, number),
            route(WEB, rule("/ws", "sockets"), rule("/test.Echo", "http2")),
        )
        await world.stage.apply(objects)
        async with world.client.ws_connect(world.router.url("http", HTTP, "/ws"), headers={"Host": WEB}) as socket:
            await socket.send_str("hello")
            assert (await socket.receive()).data == "echo hello"
        options = [("grpc.default_authority", WEB)]
        async with grpc.aio.insecure_channel(f"{world.router.address}:{HTTP}", options) as channel:
            call = channel.stream_stream("/test.Echo/All")
            assert [answer async for answer in call(iter([b"one", b"two"]))] == [b"one", b"two"]
    await upstream.stop(None)


def redirect_rule(host: str, **redirect: Any) -> dict[str, Any]:
    return {**rule(host), "filters": [{"type": "RequestRedirect", "requestRedirect": redirect}]}


async def test_redirects_have_the_right_port(world: World):
    rules = (
        redirect_rule("/https", scheme="https"),
        redirect_rule("/http", scheme="http"),
        redirect_rule("/port", port=80),
        redirect_rule("/here", statusCode=301),
        redirect_rule("/host", hostname="h.example"),
        redirect_rule("/secure-port", scheme="https", port=8443),
        redirect_rule("/secure-host", scheme="https", hostname="h.example"),
    )
    any_host_route = gateway_api_object(
        "HTTPRoute", "any", {"parentRefs": [{"name": "edge"}], "rules": [redirect_rule("/x", port=80)]}
    )
    await world.stage.apply(join_manifests(route(WEB, *rules), any_host_route))
    for path, location in (
        ("/https/a?b", f"https://{WEB}/https/a?b"),
        ("/http", f"http://{WEB}/http"),
        ("/port", f"http://{WEB}/port"),
        ("/here", f"http://{WEB}:{HTTP}/here"),
        ("/host", f"http://h.example:{HTTP}/host"),
        ("/secure-port", f"https://{WEB}:8443/secure-port"),
        ("/secure-host", "https://h.example/secure-host"),
    ):
        for host in (WEB, f"{WEB}:{HTTP}"):
            assert (await world.ask(path, headers={"Host": host}))[1]["location"] == location, host
    assert (await world.ask("/x", headers={"Host": "any.example"}))[1]["location"] == "http://any.example/x"
    assert (await world.ask("/x", headers={"Host": "any.example:1234"}))[1]["location"] == "http://any.example:80/x"
