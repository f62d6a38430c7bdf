"""A copy that comes back takes the way of any request, without being copied; others do not see the second route."""

import asyncio
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mirrorplane.api.mirrors import COPY_HEADER
from mirrorplane.api.resource import ResourceSet
from mirrorplane.api.tracing import Forwarded, Outcome, Reply
from mirrorplane.translators.matching.decoded import decode_resources
from mirrorplane.translators.outputs.gateway_routes import OUTPUT
from tests.builders import decoded, rendered
from tests.gateway_manifests import EDGE, doc, gateway, path, route, services
from tests.profiles import examples
from tests.traffic_language import ask

REQUESTS = [f"GET http://web.example.com/{name}" for name in ("a", "a/b", "c", "")]
ADDRESS = "- 10.0.0.1"


def manifests(*rules: dict[str, Any], workloads: bool) -> str:
    """Rules at a router, to Services whose endpoints are workloads, or addresses of which nothing is known."""
    targets = services("web", "other", "copy")
    assert ADDRESS in targets
    if workloads:
        pod = doc("Pod", "web", {}, "v1", labels={"app": "web"}) + "status: {podIP: 10.0.0.1}\n"
        targets = "---\n".join([pod, targets.replace(ADDRESS, f"{ADDRESS}\n  targetRef: {{kind: Pod, name: web}}")])
    return "---\n".join([gateway({}), route("web", *rules), targets])


def regexes(served: ResourceSet) -> list[str]:
    """The marks that routes look for, each of them once a route."""
    hosts = (host for table in decoded(served, OUTPUT.type_url).values() for host in table["virtual_hosts"])
    fields = (f for host in hosts for each in host["routes"] for f in each["match"].get("headers", ()))
    return [field["string_match"]["safe_regex"]["regex"] for field in fields if field["name"] == COPY_HEADER]


def way(outcome: Outcome) -> object:
    """Where a request goes, apart from its copies."""
    if isinstance(outcome.action, Forwarded):
        targets = outcome.action.targets
        return sorted((t.host, t.authority, t.path, t.problem, Fraction(t.weight, t.total)) for t in targets)
    return (outcome.status, outcome.action.location if isinstance(outcome.action, Reply) else "")


def copies(outcome: Outcome) -> object:
    return outcome.action.mirrors if isinstance(outcome.action, Forwarded) else ()


COPIED = st.builds(
    lambda percent: {
        "type": "RequestMirror",
        "requestMirror": {"backendRef": {"name": "copy", "port": 8000}, "percent": percent},
    },
    st.integers(1, 100),
)
FILTERS = st.one_of(
    COPIED,
    st.just({"type": "URLRewrite", "urlRewrite": {"hostname": "h.example"}}),
    st.just({"type": "RequestRedirect", "requestRedirect": {"hostname": "moved.example"}}),
)
BACKENDS = st.builds(
    lambda name, weight, filters: {"name": name, "port": 8000, "weight": weight, "filters": filters},
    st.sampled_from(["web", "other", "missing"]),
    st.integers(0, 3),
    st.lists(FILTERS, max_size=1),
)
RULES = st.builds(
    lambda prefix, backends, copied, sticky: {
        "matches": [path(prefix)],
        "backendRefs": backends,
        "filters": [copied],
        **({"sessionPersistence": {"sessionName": "sid"}} if sticky else {}),
    },
    st.sampled_from(["/", "/a", "/a/b"]),
    st.lists(BACKENDS, min_size=1, max_size=3),
    COPIED,
    st.booleans(),
)


@given(rules=st.lists(RULES, min_size=1, max_size=3), value=st.integers(0, 999_999))
@settings(max_examples=examples(0.5))
def test_a_mark_changes_only_whether_a_request_is_copied(rules: list[dict[str, Any]], value: int):
    async def render(*, workloads: bool) -> ResourceSet:
        return await rendered(manifests(*rules, workloads=workloads), EDGE)

    guarded, plain = asyncio.run(render(workloads=False)), asyncio.run(render(workloads=True))
    assert not regexes(plain)
    mark = (regexes(guarded) or ["unused"])[0].strip(".*")
    guarded, plain = decode_resources(guarded), decode_resources(plain)
    for request in REQUESTS:
        expected = ask(plain, request, random_value=value)
        original = ask(guarded, request, random_value=value)
        copy = ask(guarded, request, {COPY_HEADER: f"0000000000,{mark}"}, random_value=value)
        unrelated = ask(guarded, request, {COPY_HEADER: "0000000000"}, random_value=value)
        assert way(original) == way(copy) == way(unrelated) == way(expected)
        assert not copies(copy)
        assert len(copies(original)) == len(copies(unrelated)) == len(copies(expected))
        assert [m.fires for m in copies(original)] == [m.fires for m in copies(expected)]
