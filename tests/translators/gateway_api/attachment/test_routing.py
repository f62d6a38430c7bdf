"""Which rule of Gateway API takes a request: listeners, attachment, hosts, precedence."""

from typing import Any

import msgspec
import pytest

from mirrorplane.api.resource import LISTENER
from tests.builders import plane_of, rendered
from tests.gateway_manifests import EDGE, TILL, fields, gateway, made, path, route, seen, services, to
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
    ("loses", "wins", "asked", "headers"), [p[1:] for p in PRECEDENCE], ids=[p[0] for p in PRECEDENCE]
)
async def test_the_most_precise_match_is_taken(
    loses: dict[str, Any], wins: dict[str, Any], asked: str, headers: dict[str, str]
):
    older, newer = {"at": "2020-01-01T00:00:00Z"}, {"at": "2021-01-01T00:00:00Z"}
    apart = [route("a", to("first", loses), **older), route("b", to("second", wins), **newer)]
    for rules in ([route("one", to("first", loses), to("second", wins))], apart):
        text = "---\n".join([gateway({}), *rules, services("first", "second")])
        assert await seen(text, f"GET http://web.example.com{asked}", headers) == "second"


async def test_of_equal_matches_the_oldest_routes_then_by_name_then_as_written():
    first, second = services("first", "second"), "GET http://web.example.com/"
    newer = route("a", to("first"), at="2021-01-01T00:00:00Z")
    older = route("b", to("second"), at="2020-01-01T00:00:00Z")
    assert await seen("---\n".join([gateway({}), newer, older, first]), second) == "second"
    named = [route("b", to("second")), route("a", to("first"))]
    assert await seen("---\n".join([gateway({}), *named, first]), second) == "first"
    assert await seen("---\n".join([gateway({}), route("a", to("second"), to("first")), first]), second) == "second"


@pytest.mark.parametrize("value", ["/foo", "/foo/"])
@pytest.mark.parametrize(
    ("asked", "found"),
    [("/foo", "web"), ("/foo/", "web"), ("/foo/bar", "web"), ("/foo?q", "web"), ("/foobar", "404"), ("/FOO", "404")],
)
async def test_prefixes_end_at_slashes(value: str, asked: str, found: str):
    text = "---\n".join([gateway({}), route("web", to("web", path(value))), services("web")])
    assert await seen(text, f"GET http://web.example.com{asked}") == found


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


@pytest.mark.parametrize(("listener", "said", "found"), HOSTS)
async def test_hosts_of_listeners_and_routes_meet(listener: str, said: str, found: dict[str, str]):
    hostnames = {"hostnames": [said]} if said else {}
    text = "---\n".join(
        [gateway({"hostname": listener} if listener else {}), route("web", to("web"), **hostnames), services("web")]
    )
    served = await rendered(text, EDGE)
    for host, expected in found.items():
        asked = ask(served, f"GET http://{host}/") if ":" not in host else ask(served, "GET http://a.b.c:80/")
        assert brief(asked) == expected, host


async def test_a_request_is_only_for_the_most_precise_listener():
    names = ("", "*.example.com", "*.foo.example.com", "abc.foo.example.com")
    said = ["bar.com", "*.example.com", "*.foo.example.com", "abc.foo.example.com"]
    rules = [
        route(f"r{i}", to("web", path(f"/{i}")), parents=[{"sectionName": f"l{i}"}], hostnames=said) for i in range(4)
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


@pytest.mark.parametrize(("listener", "parent", "found"), ATTACHED)
async def test_routes_are_attached_where_they_say(listener: dict[str, Any], parent: dict[str, Any], found: str):
    text = "---\n".join([gateway(listener), route("web", to("web"), parents=[parent]), services("web")])
    assert await seen(text, "GET http://web.example.com/") == found


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


@pytest.mark.parametrize(("allowed", "found"), FROM)
async def test_listeners_say_from_which_namespaces(allowed: dict[str, Any], found: str):
    rules = route("till", to("till"), parents=[{"namespace": "default"}], namespace="shop")
    shop = made("Namespace", "shop", {}, "v1", labels={"team": "shop"})
    listener = gateway({"allowedRoutes": {"namespaces": allowed}})
    text = "---\n".join([listener, rules, shop, services("till", namespace="shop")])
    assert await seen(text, "GET http://web.example.com/") == found


async def test_other_controllers_and_other_routers_are_left_alone():
    rules = [route("web", to("web")), services("web")]
    ours = "---\n".join([gateway({}), *rules])
    theirs = "---\n".join([gateway({}, controller="example.com/theirs"), *rules])
    plane = await plane_of(theirs)
    assert not plane.findings.all()
    assert not plane.render(EDGE).of_type(LISTENER)
    assert (await rendered(ours, EDGE)).of_type(LISTENER)
    for other in ({"namespace": "other"}, {"labels": {}}, {"role": "sidecar"}):
        served = await rendered(ours, msgspec.structs.replace(EDGE, **other))
        assert not any(name.endswith("_80") and other.get("role") != "sidecar" for name in served.of_type(LISTENER))
