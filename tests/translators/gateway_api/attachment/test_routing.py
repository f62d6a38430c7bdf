"""Which rule of Gateway API takes a request: listeners, attachment, hosts, precedence."""

from typing import Any

import msgspec
import pytest

from mirrorplane.api.resource import LISTENER
from tests.builders import plane_of, rendered
from tests.gateway_manifests import EDGE, TILL, answer, doc, fields, gateway, path, route, rule_to, services
from tests.traffic_language import ask, brief

BOTH = {"x": "1", "y": "1"}
HEADERS, QUERY = fields("x", "y"), fields("p", "q")
PRECEDENCE = [
    ("an exact path, then a prefix", path("/a/b"), path("/a/b", "Exact"), "/a/b", {}),
    ("the longest prefix, whatever else the other asks", path("/a", headers=HEADERS), path("/a/b"), "/a/b", BOTH),
    ("a method, then headers", path("/a", headers=HEADERS), path("/a", method="GET"), "/a", BOTH),
    (
        "more headers, then query parameters",
        path("/a", headers=fields("x"), queryParams=QUERY),
        path("/a", headers=HEADERS),
        "/a?p=1&q=1",
        BOTH,
    ),
    ("more parameters", path("/a", queryParams=fields("p")), path("/a", queryParams=QUERY), "/a?p=1&q=1", {}),
    ("any path before a regex", path("/a.*", "RegularExpression"), path("/"), "/abc", {}),
]


@pytest.mark.parametrize(
    ("loses", "wins", "url", "headers"), [p[1:] for p in PRECEDENCE], ids=[p[0] for p in PRECEDENCE]
)
async def test_the_most_precise_match_is_taken(
    loses: dict[str, Any], wins: dict[str, Any], url: str, headers: dict[str, str]
):
    older, newer = {"created": "2020-01-01T00:00:00Z"}, {"created": "2021-01-01T00:00:00Z"}
    apart = [route("a", rule_to("first", loses), **older), route("b", rule_to("second", wins), **newer)]
    for rules in ([route("one", rule_to("first", loses), rule_to("second", wins))], apart):
        text = "---\n".join([gateway({}), *rules, services("first", "second")])
        assert await answer(text, f"GET http://web.example.com{url}", headers) == "second"


async def test_of_equal_matches_the_oldest_routes_then_by_name_then_as_written():
    manifest, second = services("first", "second"), "GET http://web.example.com/"
    newer = route("a", rule_to("first"), created="2021-01-01T00:00:00Z")
    older = route("b", rule_to("second"), created="2020-01-01T00:00:00Z")
    assert await answer("---\n".join([gateway({}), newer, older, manifest]), second) == "second"
    routes = [route("b", rule_to("second")), route("a", rule_to("first"))]
    assert await answer("---\n".join([gateway({}), *routes, manifest]), second) == "first"
    assert (
        await answer("---\n".join([gateway({}), route("a", rule_to("second"), rule_to("first")), manifest]), second)
        == "second"
    )


@pytest.mark.parametrize("value", ["/foo", "/foo/"])
@pytest.mark.parametrize(
    ("url", "expected"),
    [("/foo", "web"), ("/foo/", "web"), ("/foo/bar", "web"), ("/foo?q", "web"), ("/foobar", "404"), ("/FOO", "404")],
)
async def test_prefixes_end_at_slashes(value: str, url: str, expected: str):
    text = "---\n".join([gateway({}), route("web", rule_to("web", path(value))), services("web")])
    assert await answer(text, f"GET http://web.example.com{url}") == expected


HOSTS = [
    ("", "a.b.c", {"a.b.c": "web", "x.b.c": "404"}),
    ("a.b.c", "", {"a.b.c": "web", "x.b.c": "404"}),
    ("a.b.c", "*.b.c", {"a.b.c": "web", "x.b.c": "404"}),
    ("*.b.c", "x.y.b.c", {"x.y.b.c": "web", "y.b.c": "404"}),
    ("*.b.c", "*.x.b.c", {"a.x.b.c": "web", "x.b.c": "404"}),
    ("*.x.b.c", "*.b.c", {"a.x.b.c": "web", "a.b.c": "404"}),
    ("*.b.c", "b.c", {"b.c": "404", "a.b.c": "404"}),
    ("", "", {"a.b.c:1234": "web"}),
]


@pytest.mark.parametrize(("listener", "spec", "by_host"), HOSTS)
async def test_hosts_of_listeners_and_routes_meet(listener: str, spec: str, by_host: dict[str, str]):
    hostnames = {"hostnames": [spec]} if spec else {}
    text = "---\n".join(
        [
            gateway({"hostname": listener} if listener else {}),
            route("web", rule_to("web"), **hostnames),
            services("web"),
        ]
    )
    served = await rendered(text, EDGE)
    for host, expected in by_host.items():
        outcome = ask(served, f"GET http://{host}/") if ":" not in host else ask(served, "GET http://a.b.c:80/")
        assert brief(outcome) == expected, host


async def test_a_request_is_only_for_the_most_precise_listener():
    names = ("", "*.example.com", "*.foo.example.com", "abc.foo.example.com")
    specs = ["bar.com", "*.example.com", "*.foo.example.com", "abc.foo.example.com"]
    rules = [
        route(f"r{i}", rule_to("web", path(f"/{i}")), parents=[{"sectionName": f"l{i}"}], hostnames=specs)
        for i in range(4)
    ]
    listeners = [{"hostname": name} if name else {} for name in names]
    served = await rendered("---\n".join([gateway(*listeners), *rules, services("web")]), EDGE)
    hosts = ("bar.com", "bar.example.com", "bar.foo.example.com", "abc.foo.example.com")
    for i, host in enumerate(hosts):
        for j in range(4):
            assert brief(ask(served, f"GET http://{host}/{j}")) == ("web" if i == j else "404"), (host, j)


ATTACHED = [
    ({}, {}, "web"),
    ({}, {"sectionName": "l0"}, "web"),
    ({}, {"sectionName": "l1"}, "404"),
    ({}, {"port": 80}, "web"),
    ({}, {"port": 81}, "404"),
    ({}, {"port": 80, "sectionName": "l1"}, "404"),
    ({}, {"namespace": "other"}, "404"),
    ({"allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}}, {}, "404"),
    ({"allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}, {"kind": "HTTPRoute"}]}}, {}, "web"),
    ({"allowedRoutes": {"kinds": [{"kind": "HTTPRoute", "group": "example.com"}]}}, {}, "404"),
]


@pytest.mark.parametrize(("listener", "parent", "expected"), ATTACHED)
async def test_routes_are_attached_where_they_say(listener: dict[str, Any], parent: dict[str, Any], expected: str):
    text = "---\n".join([gateway(listener), route("web", rule_to("web"), parents=[parent]), services("web")])
    assert await answer(text, "GET http://web.example.com/") == expected


NOT_SHOP = {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["shop"]}]}
FROM = [
    ({"from": "Same"}, "404"),
    ({}, "404"),
    ({"from": "All"}, TILL),
    ({"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}, TILL),
    ({"from": "Selector", "selector": {"matchLabels": {"team": "none"}}}, "404"),
    ({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}, TILL),
    ({"from": "Selector", "selector": NOT_SHOP}, "404"),
]


@pytest.mark.parametrize(("allowed", "expected"), FROM)
async def test_listeners_say_from_which_namespaces(allowed: dict[str, Any], expected: str):
    rules = route("till", rule_to("till"), parents=[{"namespace": "default"}], namespace="shop")
    shop = doc("Namespace", "shop", {}, "v1", labels={"team": "shop"})
    listener = gateway({"allowedRoutes": {"namespaces": allowed}})
    text = "---\n".join([listener, rules, shop, services("till", namespace="shop")])
    assert await answer(text, "GET http://web.example.com/") == expected


async def test_other_controllers_and_other_routers_are_left_alone():
    rules = [route("web", rule_to("web")), services("web")]
    ours = "---\n".join([gateway({}), *rules])
    theirs = "---\n".join([gateway({}, controller="example.com/theirs"), *rules])
    plane = await plane_of(theirs)
    assert not plane.findings.all()
    assert not plane.render(EDGE).of_type(LISTENER)
    assert (await rendered(ours, EDGE)).of_type(LISTENER)
    for neighbour in ({"namespace": "other"}, {"labels": {}}, {"role": "sidecar"}):
        served = await rendered(ours, msgspec.structs.replace(EDGE, **neighbour))
        assert not any(name.endswith("_80") and neighbour.get("role") != "sidecar" for name in served.of_type(LISTENER))
