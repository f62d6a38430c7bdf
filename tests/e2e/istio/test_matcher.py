"""The matcher predicts what a real Envoy does with a request.

Random rules and requests, with recording backends. Every difference is a bug of the matcher or of the rendered routes.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, example, given, note, settings
from hypothesis import strategies as st

from mirrorplane.api.tracing import Forwarded, Outcome, Reply, Request, Target
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Received, Workload
from mirrorplane.translators.matching.decoded import decode_resources
from mirrorplane.translators.matching.forwarding import mirror_authority
from mirrorplane.translators.matching.headers import apply_edits
from mirrorplane.translators.matching.outcome import trace_request
from tests import fast_yaml as yaml
from tests.e2e.support.manifests import NO_ACCESS_LOG, destination_rule, join_manifests, nack_messages, until, versions
from tests.e2e.support.random_virtual_services import PORT, REQUESTS, WORLDS
from tests.e2e.support.raw_http import RawResponse, send_raw
from tests.e2e.support.sidecars import PROXY_PORT, Sidecar, sidecar

pytestmark = pytest.mark.envoy

REQUESTS_PER_EXAMPLE = 16
PLAIN_REQUEST = {
    **{"authority": "web:8000", "method": "PUT", "path": "/", "headers": [], "forwarded": "", "proxied": False},
    **{"origin": "", "asked": "", "preflight": False},
}
ANY_HEADER = {"allowOrigins": [{"exact": "*"}], "allowMethods": ["GET", "*"], "allowHeaders": ["*"]}
ANY_HEADER_RULES = [{"match": [{}], "route": [{"destination": {"host": "other"}}], "corsPolicy": ANY_HEADER}]
PREFLIGHTS = [
    {**PLAIN_REQUEST, "origin": "https://a.b", "preflight": True, "asked": asked} for asked in ("", "x-a, x-b")
]
"""Found by random worlds: a preflight that asks for no headers is allowed none, although the policy says `*`."""
OF_INTEREST = ("x-a", "x-b", "x-c")
OF_ANSWERS = ("x-r", "x-s")
ALLOWED, REQUEST_HEADERS = "access-control-allow-", "access-control-request-headers"
Headers = tuple[tuple[str, str], ...]
OUTSIDE = {"*.example.com": "other", "*.b.example.com": "copy", "a.b.example.com": "v1"}
"""External hosts, and the workloads that answer for them."""
UNAVAILABLE = 503
PAUSE_S = 0.03
COPIED_S = 20.0
"""How long to wait for unexpected copies, once for each set of rules."""


class Mesh(msgspec.Struct, frozen=True):
    """Three services, of which `web` has two versions, and a sidecar."""

    stage: Stage
    sidecar: Sidecar
    workloads: dict[str, Workload]

    async def apply_rules(self, rules: Sequence[Any], number: int) -> None:
        """Replace the rules, and wait until the proxy has them."""
        manifest = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "web", "labels": {"n": str(number)}},
            "spec": {"hosts": ["web"], "http": list(rules)},
        }
        batches = self.stage.app.batches
        self.stage.write("rules.yaml", yaml.safe_dump(manifest))
        await until(lambda: self.stage.app.batches > batches, "the rules were read")
        await self.stage.settled()
        errors = [f.message for f in self.stage.app.plane.findings.all() if f.severity.value == "error"]
        assert not [r for r in errors if "nowhere" not in r]
        assert not nack_messages(self.stage)

    async def ask(self, request: Request, number: int) -> RawResponse:
        """Send the request that the matcher was given, with a number that identifies it."""
        line, port = f"{request.method} {request.path}", request.port
        if not port:
            line, port = f"{request.method} http://{request.authority}{request.path}", PROXY_PORT
        headers = (("host", request.authority), ("x-number", str(number)), *request.headers)
        return await send_raw((self.sidecar.address, port), line, headers)

    def received(self, number: int) -> list[tuple[str, Received]]:
        """The requests that arrived with a number, and at which workload."""
        return [
            (name, request)
            for name, workload in self.workloads.items()
            for request in workload.received
            if request.headers.get("x-number") == str(number)
        ]


@pytest.mark.random
async def test_the_matcher_predicts_what_a_real_envoy_does(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        mesh = await _mesh(stage, stack)
        numbers = iter(range(1, 1 << 30))

        @settings(
            phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes here
            suppress_health_check=list(HealthCheck),
        )
        @given(WORLDS, st.lists(REQUESTS, min_size=REQUESTS_PER_EXAMPLE, max_size=REQUESTS_PER_EXAMPLE))
        @example(ANY_HEADER_RULES, PREFLIGHTS)
        def check_example(rules: list[Any], requests: list[Any]) -> None:
            problems = asyncio.run_coroutine_threadsafe(_compare(mesh, rules, requests, numbers), loop).result()
            if problems:
                note(yaml.safe_dump(rules))
            assert not problems, "\n".join(problems)

        await asyncio.to_thread(check_example)


async def _mesh(stage: Stage, stack: AsyncExitStack) -> Mesh:
    workloads = {n: await stack.enter_async_context(Workload(n)) for n in ("v1", "v2", "other", "copy")}
    ports = {name: workload.port for name, workload in workloads.items()}
    await stage.apply(
        join_manifests(
            NO_ACCESS_LOG,
            *(service(name, PORT) for name in ("web", "other", "copy", "empty")),
            versions("web", [ports["v1"], ports["v2"]]),
            versions("other", [ports["other"]]),
            versions("copy", [ports["copy"]]),
            destination_rule("web", {"v1": "v1", "v2": "v2"}),
            *(_entry(host, ports[name]) for host, name in OUTSIDE.items()),
        )
    )
    return Mesh(stage, await sidecar(stage, PORT), workloads)


def _entry(host: str, port: int) -> str:
    """A ServiceEntry of a host that a workload on this machine answers for."""
    spec = {
        "hosts": [host],
        "resolution": "STATIC",
        "ports": [{"number": PORT, "name": "http", "protocol": "HTTP"}],
        "endpoints": [{"address": "127.0.0.1", "ports": {"http": port}}],
    }
    name = host.replace("*", "any")
    head = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": name}}
    return yaml.safe_dump({**head, "spec": spec})


async def _compare(mesh: Mesh, rules: list[Any], requests: list[Any], numbers: Any) -> list[str]:
    await mesh.apply_rules(rules, next(numbers))
    for workload in mesh.workloads.values():
        workload.received.clear()
    (stream,) = list(mesh.stage.app.xds.statuses())
    resources = decode_resources(mesh.stage.app.plane.render(stream.proxy))
    triples = []
    for drawn in requests:
        headers = tuple((name.lower(), value) for name, value in drawn["headers"])
        if drawn["forwarded"]:
            headers = (*headers, ("x-forwarded-proto", drawn["forwarded"]))
        headers, method = _cross_origin(drawn, headers)
        port = 0 if drawn["proxied"] else PORT
        request = Request(drawn["authority"], drawn["path"], method, headers=headers, port=port)
        number = next(numbers)
        triples.append((number, trace_request(resources, request), await mesh.ask(request, number)))
    await _wait_for_copies(mesh, triples)
    problems: list[str] = []
    for number, outcome, answer in triples:
        differences = list(_differences(mesh, number, outcome, answer))
        problems += [*differences, f"  {outcome}", f"  {answer}", f"  {mesh.received(number)}"] if differences else []
    return problems


def _cross_origin(drawn: Any, headers: Headers) -> tuple[Headers, str]:
    """Return the headers and the method of a request that may be cross-origin or a preflight."""
    if drawn["origin"]:
        headers = (*headers, ("origin", drawn["origin"]))
    if drawn["origin"] and drawn["preflight"]:
        headers = (*headers, ("access-control-request-method", drawn["method"]))
        asked_headers = ((REQUEST_HEADERS, drawn["asked"]),) if drawn["asked"] else ()
        return (*headers, *asked_headers), "OPTIONS"
    return headers, drawn["method"]


async def _wait_for_copies(mesh: Mesh, triples: list[tuple[int, Outcome, RawResponse]]) -> None:
    """Wait for the expected copies, and a moment for unexpected ones."""
    for number, outcome, _ in triples:
        least = sum(_certain_counts(outcome).values())
        try:
            await until(lambda n=number, least=least: len(mesh.received(n)) >= least, "copies", COPIED_S)
        except AssertionError:
            return  # the comparison says what is missing
    await asyncio.sleep(PAUSE_S)


def _certain_counts(outcome: Outcome) -> Counter[str]:
    """Return how many requests must arrive: the original and its certain copies."""
    if not isinstance(outcome.action, Forwarded) or outcome.status:
        return Counter()
    sure = [c for c in outcome.action.mirrors if c.numerator >= c.denominator and not c.problem]
    if any(target.problem for target in outcome.action.targets):
        return Counter()  # the share of this target is not forwarded
    return Counter({"original": 1, "copies": len(sure)})


def _differences(mesh: Mesh, number: int, outcome: Outcome, answer: RawResponse) -> Any:
    """Yield the differences between the matcher's outcome and Envoy's."""
    received = mesh.received(number)
    originals = [(n, r) for n, r in received if "x-envoy-internal" not in r.headers]
    copies = [(n, r) for n, r in received if "x-envoy-internal" in r.headers]
    workload = answer.header("x-workload")
    if outcome.status:
        if answer.status != outcome.status or workload or received:
            yield f"wanted {outcome.status}, answered {answer.status} by {workload}, {len(received)} arrived"
        if isinstance(outcome.action, Reply):
            yield from _reply_differences(outcome.action, answer)
        return
    assert isinstance(outcome.action, Forwarded)
    if answer.status == UNAVAILABLE and not received and any(target.problem for target in outcome.action.targets):
        return  # a share has no backend
    if len(originals) != 1:
        yield f"{len(originals)} requests arrived"
        return
    ((name, original),) = originals
    targets = [target for target in outcome.action.targets if _is_target(target, name, original)]
    if not targets:
        yield f"what arrived at {name} is {original.host} {original.path} {_headers_of_interest(original)}"
    elif not any(_answer_headers(target.response_edits) == _response_headers(answer) for target in targets):
        yield f"the answer carries {_response_headers(answer)}"
    yield from _copy_differences(outcome.action, targets, copies)


def _reply_differences(action: Reply, answer: RawResponse) -> Any:
    if (answer.header("location") or "") != action.location:
        yield f"Location is {answer.header('location')}"
    if answer.body != action.body:
        yield f"the body is {answer.body!r}"
    if not any(
        _answer_headers(way) == _response_headers(answer) for way in action.target_edits or (action.response_edits,)
    ):
        yield f"the answer carries {_response_headers(answer)}"
    allowed = {name: value for name, value in apply_edits((), action.response_edits) if name.startswith(ALLOWED)}
    answer_headers = {name: value for name, value in answer.headers if name.startswith(ALLOWED) and value}
    if allowed != answer_headers:
        yield f"the answer allows {answer_headers}"


def _copy_differences(action: Forwarded, targets: list[Target], copies: list[tuple[str, Received]]) -> Any:
    sure, perhaps = Counter[str](), Counter[str]()
    for copy in action.mirrors:
        if not copy.problem:
            place = _place(copy.host, copy.subset)
            perhaps[place] += copy.numerator > 0
            sure[place] += copy.numerator >= copy.denominator
    arrived = Counter(name for name, _ in copies)
    if not sure <= arrived <= perhaps:
        yield f"copies came to {dict(arrived)}, wanted {dict(sure)} to {dict(perhaps)}"
    hosts = {mirror_authority(copy, target) for copy in action.mirrors for target in targets}
    for name, copied_request in copies:
        if copied_request.host not in hosts or not any(
            _has_path_and_headers(target, copied_request) for target in targets
        ):
            headers = _headers_of_interest(copied_request)
            yield f"the copy at {name} is {copied_request.host} {copied_request.path} {headers}"


def _is_target(target: Target, name: str, request: Received) -> bool:
    return (
        _place(target.host, target.subset) in {name, "v1 or v2"}
        and request.host == target.authority
        and _has_path_and_headers(target, request)
    )


def _has_path_and_headers(target: Target, request: Received) -> bool:
    expected = {
        name: ",".join(v for k, v in target.headers if k == name)
        for name in OF_INTEREST
        if name in dict(target.headers)
    }
    return request.path == target.path and _headers_of_interest(request) == expected


def _headers_of_interest(request: Received) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name in OF_INTEREST}


def _answer_headers(edits: Any) -> dict[str, str]:
    headers = apply_edits((), edits)
    return {name: ",".join(v for k, v in headers if k == name) for name in OF_ANSWERS if name in dict(headers)}


def _response_headers(answer: RawResponse) -> dict[str, str]:
    return {name: value for name in OF_ANSWERS if (value := answer.header(name)) is not None}


def _place(host: str, subset: str) -> str:
    """Return the workload behind a destination."""
    name = OUTSIDE.get(host, host.partition(".")[0])
    return (subset or "v1 or v2") if name == "web" else name
