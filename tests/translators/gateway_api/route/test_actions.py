"""What rules of Gateway API do with requests: filters, weights, the 500 rule, references, copies."""

from typing import Any

import pytest

from mirrorplane.api.kinds.gateway_api.reference_grant import REFERENCE_GRANT
from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import CLUSTER
from mirrorplane.api.tracing import Request
from mirrorplane.translators.matching.decoded import decode_resources
from mirrorplane.translators.matching.outcome import trace_request
from tests.builders import plane_of, rendered
from tests.gateway_manifests import EDGE, GROUP, TILL, answer, doc, gateway, path, route, rule_to, services
from tests.traffic_language import ask, brief, headers_of

HERE = "http://web.example.com"
REDIRECTS = [
    (80, {"hostname": "h.example"}, "302 http://h.example/a/b?q"),
    (8080, {"hostname": "h.example"}, "302 http://h.example:8080/a/b?q"),
    (8080, {"scheme": "https", "hostname": "h.example"}, "302 https://h.example/a/b?q"),
    (8080, {"scheme": "https"}, "302 https://web.example.com/a/b?q"),
    (8080, {"scheme": "http"}, "302 http://web.example.com/a/b?q"),
    (8080, {"port": 80}, "302 http://web.example.com/a/b?q"),
    (8080, {}, "302 http://web.example.com:8080/a/b?q"),
    (8443, {}, "302 http://web.example.com:8443/a/b?q"),
    (80, {}, "302 http://web.example.com/a/b?q"),
    (80, {"scheme": "http"}, "302 http://web.example.com/a/b?q"),
    (80, {"scheme": "https"}, "302 https://web.example.com/a/b?q"),
    (80, {"port": 443}, "302 http://web.example.com:443/a/b?q"),
    (8080, {"scheme": "http", "hostname": "h.example"}, "302 http://h.example/a/b?q"),
    (80, {"scheme": "https", "port": 8443}, "302 https://web.example.com:8443/a/b?q"),
    (80, {"port": 80, "hostname": "h.example"}, "302 http://h.example/a/b?q"),
    (80, {"port": 8080, "statusCode": 308}, "308 http://web.example.com:8080/a/b?q"),
    (80, {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}}, "302 http://web.example.com/x?q"),
    (80, {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x/"}}, "302 http://web.example.com/x/b?q"),
    (80, {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}, "302 http://web.example.com/b?q"),
]


@pytest.mark.parametrize(("port", "spec", "expected"), REDIRECTS)
async def test_redirects_say_no_port_that_the_scheme_has_anyway(port: int, spec: dict[str, Any], expected: str):
    moved = {"matches": [path("/a")], "filters": [{"type": "RequestRedirect", "requestRedirect": spec}]}
    rules = route("moved", moved, hostnames=["web.example.com"])
    served = await rendered("---\n".join([gateway({"port": port}), rules]), EDGE)
    assert brief(ask(served, f"GET {HERE}:{port}/a/b?q")) == expected, "what the client said of ports is nothing to it"


@pytest.mark.parametrize(("host", "expected"), [("a.b:8080", "https://a.b:443/"), ("a.b", "https://a.b/")])
async def test_a_port_that_a_client_wrote_is_replaced_behind_a_wildcard(host: str, expected: str):
    moved = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}
    served = await rendered("---\n".join([gateway({"port": 8080}), route("moved", moved)]), EDGE)
    resources = decode_resources(served)
    assert brief(trace_request(resources, Request(host, port=8080))) == f"302 {expected}"


PREFIXES = [
    ("/foo", "/xyz", {"/foo/bar": "/xyz/bar", "/foo": "/xyz", "/foo/": "/xyz/", "/foo?q": "/xyz?q"}),
    ("/foo", "/xyz/", {"/foo/bar": "/xyz/bar", "/foo": "/xyz"}),
    ("/foo/", "/xyz", {"/foo/bar": "/xyz/bar", "/foo": "/xyz", "/foo/": "/xyz/"}),
    ("/foo", "", {"/foo/bar": "/bar", "/foo/": "/", "/foo": "/", "/foo/a?q": "/a?q"}),
    ("/foo", "/", {"/foo/bar": "/bar", "/foo/": "/", "/foo": "/"}),
    ("/", "/xyz", {"/bar": "/xyz/bar"}),
    ("/f.o", "/", {"/f.o/bar": "/bar"}),
]


@pytest.mark.parametrize(("prefix", "new", "expected"), PREFIXES)
async def test_there_is_one_slash_where_a_prefix_was_replaced(prefix: str, new: str, expected: dict[str, str]):
    spec = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": new}}}
    rules = route("web", rule_to("web", path(prefix), filters=[spec]))
    served = await rendered("---\n".join([gateway({}), rules, services("web")]), EDGE)
    for url, sent in expected.items():
        assert brief(ask(served, f"GET http://web.example.com{url}")) == f"web as {sent}"


WEIGHTS = [
    ([("web", 3), ("other", 1)], "web 3 + other 1"),
    ([("web", 1), ("missing", 1)], "web 1 + NoValidBackend (500) 1"),
    ([("web", 1), ("missing", 0)], "web"),
    ([("web", 0), ("missing", 1)], "500"),
    ([("web", 0)], "500"),
    ([("missing", 1)], "500"),
    ([], "500"),
]


@pytest.mark.parametrize(("spec", "expected"), WEIGHTS)
async def test_what_cannot_be_sent_is_answered_500(spec: list[tuple[str, int]], expected: str):
    refs = [{"name": name, "port": 8000, "weight": weight} for name, weight in spec]
    text = "---\n".join([gateway({}), route("web", {"backendRefs": refs}), services("web", "other")])
    assert await answer(text, "GET http://web.example.com/") == expected


def copied(**spec: Any) -> dict[str, Any]:
    return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy", "port": 8000}, **spec}}


COPIES = [
    ([copied()], "web; copy 100 %"),
    ([copied(percent=25)], "web; copy 25 %"),
    ([copied(fraction={"numerator": 1, "denominator": 8})], "web; copy 12.5 %"),
    ([copied(fraction={"numerator": 1})], "web; copy 1 %"),
    ([copied(percent=0)], "web"),
    ([copied(fraction={"numerator": 0})], "web"),
    ([copied(), copied(backendRef={"name": "other", "port": 8000})], "web; copy 100 %; other 100 %"),
    ([copied(backendRef={"name": "missing", "port": 8000}), copied()], "web; copy 100 %"),
    ([copied(backendRef={"name": "copy", "port": 9000})], "web"),
    ([copied(backendRef={"name": "copy", "kind": "Bucket", "group": "example.com"})], "web"),
    ([copied(backendRef={"name": "till", "namespace": "shop", "port": 8000})], "web"),
]


@pytest.mark.parametrize(("spec", "expected"), COPIES)
async def test_copies_go_where_they_can_and_nothing_else_changes(spec: list[dict[str, Any]], expected: str):
    text = "---\n".join(
        [
            gateway({}),
            route("web", rule_to("web", filters=spec)),
            services("web", "copy", "other"),
            services("till", namespace="shop"),
        ]
    )
    outcome = ask(await rendered(text, EDGE), "GET http://web.example.com/")
    assert brief(outcome) == expected
    assert not any(copy.shadow_suffix for copy in outcome.action.mirrors)  # type: ignore[union-attr]


async def test_a_grant_that_is_withdrawn_revokes():
    foreign = {"name": "till", "namespace": "shop", "port": 8000}
    rules = route(
        "web", {"backendRefs": [foreign]}, rule_to("web", path("/copied"), filters=[copied(backendRef=foreign)])
    )
    grant = {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "default"}],
        "to": [{"group": "", "kind": "Service"}],
    }
    allowed = doc("ReferenceGrant", "all", grant, namespace="shop")
    plane = await plane_of(
        "---\n".join([gateway({}), rules, allowed, services("web"), services("till", namespace="shop")])
    )
    sent, both = "GET http://a.example.com/", "GET http://a.example.com/copied"
    served = plane.render(EDGE)
    assert (brief(ask(served, sent)), brief(ask(served, both))) == (TILL, f"web; {TILL} 100 %")
    plane.store.apply(Ref(REFERENCE_GRANT.key, "shop", "all"), None)
    await plane.publish()
    served = plane.render(EDGE)
    assert (brief(ask(served, sent)), brief(ask(served, both))) == ("500", "web")
    assert not any(name.startswith("mirror|") for name in served.of_type(CLUSTER))
    assert [f.reason for f in plane.findings.all()] == ["RefNotPermitted"] * 2


async def test_headers_are_changed_as_text():
    spec = {"set": [{"name": "X-Set", "value": "100%"}], "add": [{"name": "x-add", "value": "b"}], "remove": ["x-gone"]}
    rules = route("web", rule_to("web", filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": spec}]))
    served = await rendered("---\n".join([gateway({}), rules, services("web")]), EDGE)
    given = {"x-set": "old", "x-add": "a", "x-gone": "z", "x-kept": "y"}
    changed = headers_of(ask(served, "GET http://web.example.com/", given))
    assert changed == {"x-set": "100%", "x-add": "a|b", "x-kept": "y"}


@pytest.mark.parametrize(
    ("spec", "milliseconds"),
    [({}, 0), ({"request": "1m30s"}, 90_000), ({"request": "2s", "backendRequest": "500ms"}, 500),
     ({"backendRequest": "1s"}, 1000), ({"request": "0s"}, 0), ({"request": "0s", "backendRequest": "1s"}, 1000)],
)  # fmt: skip
async def test_timeouts(spec: dict[str, str], milliseconds: int):
    text = "---\n".join([gateway({}), route("web", rule_to("web", timeouts=spec)), services("web")])
    outcome = ask(await rendered(text, EDGE), "GET http://web.example.com/")
    assert outcome.action.timeout_ms == milliseconds  # type: ignore[union-attr]
