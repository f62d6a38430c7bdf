"""Actions of a rule other than routing (redirects, rewrites, retries, faults, CORS), through a real Envoy."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import aiohttp
import pytest

from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Received, Workload
from tests.e2e.support.manifests import NO_ACCESS_LOG, findings, join_manifests, route, versions, virtual_service
from tests.e2e.support.sidecars import Sidecar, sidecar

pytestmark = pytest.mark.envoy

PORT = 8000
WEB = route(("web", "", 1))


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class ActionsWorld:
    """Two workloads, `web` and `next`, behind a sidecar, with rules for `web`."""

    def __init__(self, stage: Stage, web: Workload, copy: Workload, client: aiohttp.ClientSession) -> None:
        self.stage, self.web, self.next, self.client = stage, web, copy, client
        self.envoy: Sidecar | None = None

    async def apply_rules(self, *rules: Mapping[str, Any]) -> None:
        services = join_manifests(service("web", PORT), versions("web", [self.web.port]), service("next", PORT))
        await self.stage.apply(
            join_manifests(NO_ACCESS_LOG, services, versions("next", [self.next.port]), virtual_service("web", *rules))
        )
        assert not [f for f in findings(self.stage) if f.reason != "Deprecated"]
        self.envoy = self.envoy or await sidecar(self.stage, PORT)

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        assert self.envoy is not None
        all_headers = {"Host": "web", **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self.client.request(
            method, self.envoy.on(PORT) + path, headers=all_headers, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def received_request(self, path: str, **headers: str) -> Received:
        """Send a request, and return it as `web` received it."""
        answer = await self.ask(path, **headers)
        assert answer.status == 200, answer.status
        return self.web.received[-1]


@pytest.fixture
async def world(stage: Stage) -> AsyncIterator[ActionsWorld]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())
        web, copy = [await stack.enter_async_context(Workload(name)) for name in ("web", "next")]
        yield ActionsWorld(stage, web, copy, client)


async def test_a_redirect_answers_with_its_location(world: ActionsWorld) -> None:
    await world.apply_rules(
        {"match": [{"uri": {"exact": "/a"}}], "redirect": {"uri": "/b", "authority": "c.example", "redirectCode": 302}},
        {"match": [{"uri": {"prefix": "/secure"}}], "redirect": {"scheme": "https"}},
        {"match": [{"uri": {"prefix": "/part"}}], "redirect": {"prefixRewrite": "/whole", "redirectCode": 308}},
        {"match": [{"uri": {"prefix": "/same"}}], "redirect": {"authority": "d", "derivePort": "FROM_REQUEST_PORT"}},
        {"match": [{"uri": {"prefix": "/port"}}], "redirect": {"port": 9999}},
        {"route": WEB},
    )
    answers = {}
    for path in ("/a", "/secure?x=1", "/part/y", "/same", "/port", "/else"):
        answer = await world.ask(path)
        answers[path] = answer.status, answer.headers.get("location")
    assert answers == {
        "/a": (302, "http://c.example/b"),
        "/secure?x=1": (301, "https://web/secure?x=1"),
        "/part/y": (308, "http://web/whole/y"),
        "/same": (301, f"http://d:{PORT}/same"),
        "/port": (301, "http://web:9999/port"),
        "/else": (404, None),
    }
    assert [request.path for request in world.web.received] == ["/else"], "a redirect reaches no workload"


async def test_a_direct_response_reaches_no_workload(world: ActionsWorld) -> None:
    await world.apply_rules(
        {
            "match": [{"uri": {"exact": "/teapot"}}],
            "directResponse": {"status": 418, "body": {"string": "short and stout"}},
            "headers": {"response": {"set": {"x-kind": "teapot"}}},
        },
        {"match": [{"uri": {"exact": "/bytes"}}], "directResponse": {"status": 200, "body": {"bytes": "AAEC/w=="}}},
        {"route": WEB},
    )
    teapot, raw = await world.ask("/teapot"), await world.ask("/bytes")
    assert (teapot.status, teapot.body, teapot.headers["x-kind"]) == (418, b"short and stout", "teapot")
    assert (raw.status, raw.body) == (200, b"\x00\x01\x02\xff")
    assert not world.web.received


async def test_path_and_host_are_rewritten_for_the_original_and_for_the_copy(world: ActionsWorld) -> None:
    await world.apply_rules(
        {"match": [{"uri": {"prefix": "/old/"}}], "rewrite": {"uri": "/"}, "route": WEB},
        {"match": [{"uri": {"exact": "/one"}}], "rewrite": {"uri": "/anything/other"}, "route": WEB},
        {
            "match": [{"uri": {"regex": "/v[0-9]+/.*"}}],
            "rewrite": {"uriRegexRewrite": {"match": "^/v([0-9]+)/(.*)$", "rewrite": "/anything/\\2/\\1"}},
            "route": WEB,
        },
        {"rewrite": {"authority": "inside.example"}, "route": WEB, "mirror": {"host": "next"}},
    )
    assert (await world.received_request("/old/headers?q=1")).path == "/headers?q=1"
    assert (await world.received_request("/one")).path == "/anything/other"
    assert (await world.received_request("/v2/a/b?c=d")).path == "/anything/a/b/2?c=d"
    assert (await world.received_request("/headers")).host == "inside.example"
    await world.stage.until(lambda: bool(world.next.received), "the copy arrived")
    assert world.next.received[0].host == "inside.example-shadow"


async def test_headers_are_set_added_and_removed(world: ActionsWorld) -> None:
    await world.apply_rules(
        {
            "headers": {
                "request": {
                    "set": {"x-a": "rule"},
                    "add": {"x-b": "rule", "x-path": "%REQ(:path)%"},
                    "remove": ["x-c"],
                },
                "response": {"add": {"x-answer": "100%%"}, "remove": ["x-workload"]},
            },
            "route": [{"destination": {"host": "web"}, "headers": {"request": {"set": {"x-d": "destination"}}}}],
        }
    )
    answer = await world.ask("/headers", x_a="mine", x_b="mine", x_c="mine")
    headers = world.web.received[-1].headers
    assert (headers["x-a"], headers["x-b"], headers["x-d"]) == ("rule", "mine,rule", "destination")
    assert headers["x-path"] == "/headers"
    assert "x-c" not in headers
    assert answer.headers["x-answer"] == "100%"
    assert "x-workload" not in answer.headers


async def test_each_weighted_destination_has_its_own_headers_and_host(world: ActionsWorld) -> None:
    def destination(host: str, canary: str) -> dict[str, Any]:
        changes = {"request": {"set": {"x-canary": canary, "Host": f"{host}.chosen"}}}
        return {"destination": {"host": host}, "weight": 50, "headers": changes}

    await world.apply_rules({"route": [destination("web", "no"), destination("next", "yes")]})
    for _ in range(40):
        await world.ask("/headers")
    requests = {
        (w.name, request.headers["x-canary"], request.host) for w in (world.web, world.next) for request in w.received
    }
    assert requests == {("web", "no", "web.chosen"), ("next", "yes", "next.chosen")}


async def test_requests_are_retried_as_often_as_the_rule_says(world: ActionsWorld) -> None:
    retried = {"attempts": 3, "retryOn": "503", "backoff": "1ms"}
    await world.apply_rules(
        {"match": [{"uri": {"prefix": "/status/503"}, "headers": {"x-retry": {}}}], "retries": retried, "route": WEB},
        {"match": [{"uri": {"prefix": "/status/504"}}], "retries": retried, "route": WEB},
        {"route": WEB, "mirror": {"host": "next"}},
    )
    tries = {}
    for path, headers in (("/status/503", {"x_retry": "yes"}), ("/status/504", {}), ("/status/503", {})):
        before = len(world.web.received)
        await world.ask(path, **headers)
        tries[path, *headers] = len(world.web.received) - before
    assert tries == {("/status/503", "x_retry"): 4, ("/status/504",): 1, ("/status/503",): 1}
    await world.stage.until(lambda: bool(world.next.received), "the copy arrived")
    assert len(world.next.received) == 1, "a copy is never retried"


async def test_attempts_0_turns_off_the_default_retries(world: ActionsWorld) -> None:
    await world.apply_rules(
        {"match": [{"uri": {"prefix": "/once"}}], "retries": {"attempts": 0}, "route": route(("next", "", 1))},
        {"route": route(("next", "", 1))},
    )
    assert world.envoy is not None
    await world.next.stop()  # connecting fails, which is retried by default
    counted = []
    for path in ("/once", "/more"):
        before = await _retries(world)
        assert (await world.ask(path)).status == 503
        counted.append(await _retries(world) - before)
    assert counted == [0, 2]


async def _retries(world: ActionsWorld) -> int:
    stats = await world.envoy.envoy.stats("upstream_rq_retry$")
    return sum(value for name, value in stats.items() if "||next." in name)


async def test_a_timeout_ends_a_slow_request(world: ActionsWorld) -> None:
    await world.apply_rules({"timeout": "200ms", "route": WEB})
    assert (await world.ask("/delay/5")).status == 504
    assert (await world.ask("/headers")).status == 200


async def test_a_grpc_request_ends_with_the_timeout_of_the_rule_or_its_own_deadline(world: ActionsWorld) -> None:
    grpc = {"Content_Type": "application/grpc"}
    await world.apply_rules(
        {"match": [{"uri": {"prefix": "/delay/5"}}], "timeout": "200ms", "route": WEB}, {"route": WEB}
    )
    by_deadline = await world.ask("/delay/4", "POST", Grpc_Timeout="200m", **grpc)
    by_rule = await world.ask("/delay/5", "POST", Grpc_Timeout="9S", **grpc)
    assert by_deadline.headers["grpc-message"] == "downstream duration timeout"
    assert by_rule.headers["grpc-message"] == "upstream request timeout"


async def test_faults_abort_and_delay_their_percentage_and_aborted_requests_are_not_mirrored(
    world: ActionsWorld,
) -> None:
    everything, nothing = {"value": 100}, {"value": 0}
    await world.apply_rules(
        {
            "match": [{"uri": {"prefix": "/abort"}}],
            "fault": {"abort": {"httpStatus": 555, "percentage": everything}},
            "route": WEB,
            "mirror": {"host": "next"},
        },
        {
            "match": [{"uri": {"prefix": "/never"}}],
            "fault": {
                "abort": {"httpStatus": 555, "percentage": nothing},
                "delay": {"fixedDelay": "60s", "percentage": nothing},
            },
            "route": WEB,
        },
        {
            "match": [{"uri": {"prefix": "/grpc"}}],
            "fault": {"abort": {"grpcStatus": "UNAVAILABLE", "percentage": everything}},
            "route": WEB,
        },
        {
            "match": [{"uri": {"prefix": "/slow"}}],
            "fault": {"delay": {"fixedDelay": "60s", "percentage": everything}},
            "timeout": "1s",
            "route": WEB,
        },
        {"route": WEB},
    )
    assert (await world.ask("/abort")).status == 555
    assert (await world.ask("/never")).status == 404, "the workload's own answer"
    assert (await world.ask("/grpc")).headers.get("grpc-status") in {"14", None}
    with pytest.raises(TimeoutError):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as hasty:
            await hasty.get(world.envoy.on(PORT) + "/slow", headers={"Host": "web"})
    assert {request.path for request in world.web.received} == {"/never"}
    assert not world.next.received


async def test_cors_policy_answers_preflights_and_marks_allowed_origins(world: ActionsWorld) -> None:
    await world.apply_rules(
        {
            "corsPolicy": {
                "allowOrigins": [{"exact": "https://a.example"}, {"regex": "https://[a-z]+[.]b[.]example"}],
                "allowMethods": ["GET", "PUT"],
                "allowHeaders": ["x-token"],
                "exposeHeaders": ["x-rate"],
                "maxAge": "1h",
                "allowCredentials": True,
            },
            "route": WEB,
        }
    )
    request_headers = {"Access_Control_Request_Method": "PUT"}
    preflight = await world.ask("/headers", "OPTIONS", Origin="https://a.example", **request_headers)
    assert preflight.status == 200
    cors_headers = {
        name.lower(): value for name, value in preflight.headers.items() if name.lower().startswith("access-")
    }
    assert cors_headers == {
        "access-control-allow-origin": "https://a.example",
        "access-control-allow-methods": "GET,PUT",
        "access-control-allow-headers": "x-token",
        "access-control-expose-headers": "x-rate",
        "access-control-max-age": "3600",
        "access-control-allow-credentials": "true",
    }
    assert not world.web.received, "the proxy itself answers a preflight"
    for origin, allowed in (("https://x.b.example", "https://x.b.example"), ("https://evil.example", None)):
        answer = await world.ask("/headers", Origin=origin)
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert answer.headers.get("access-control-expose-headers") == ("x-rate" if allowed else None)


async def test_a_delegate_inherits_from_its_root_what_it_does_not_set(world: ActionsWorld) -> None:
    delegate = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: cart}\nspec:\n"
        "  http:\n  - {match: [{headers: {x-kind: {exact: cart}}}], route: [{destination: {host: web}}]}\n"
    )
    await world.stage.apply(delegate)
    await world.apply_rules(
        {
            "match": [{"uri": {"prefix": "/headers"}}],
            "delegate": {"name": "cart"},
            "headers": {"request": {"set": {"x-root": "yes"}}},
            "mirror": {"host": "next"},
        },
        {"directResponse": {"status": 410}},
    )
    assert (await world.received_request("/headers", x_kind="cart")).headers["x-root"] == "yes"
    assert (await world.ask("/headers")).status == 410
    await world.stage.until(lambda: len(world.next.received) == 1, "the copy arrived")
    await world.stage.apply(delegate.replace("host: web", "host: next"))
    await world.ask("/headers", x_kind="cart")
    assert len(world.web.received) == 1, "a change of the delegate is a change of its root"
