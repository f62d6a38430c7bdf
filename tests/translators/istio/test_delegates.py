"""When a delegate's match joins one of its root's, and what comes of both: Istio's rules, one case each."""

from typing import Any

import msgspec
import pytest

from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Object, Ref
from mirrorplane.translators.istio.delegates import MAX_MERGED_MATCHES, rules_of
from tests.builders import plane_of

ROOT, LEAF = (Ref(istio.VIRTUAL_SERVICE.key, "default", name) for name in ("root", "leaf"))

TOGETHER = {
    "nothing with anything": ({}, {"uri": {"prefix": "/a"}}),
    "anything with nothing": ({"uri": {"exact": "/a"}}, {}),
    "an exact value with the same": ({"uri": {"exact": "/a"}}, {"uri": {"exact": "/a"}}),
    "a prefix with a longer one": ({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/a/b"}}),
    "a prefix with a value that begins with it": ({"uri": {"prefix": "/a"}}, {"uri": {"exact": "/ab"}}),
    "different headers": ({"headers": {"a": {"exact": "1"}}}, {"headers": {"b": {"regex": ".*"}}}),
    "the same port": ({"port": 80}, {"port": 80}),
    "a port with none": ({"port": 80}, {}),
    "different source labels": ({"sourceLabels": {"a": "1"}}, {"sourceLabels": {"b": "2"}}),
    "no namespace with one": ({}, {"sourceNamespace": "x"}),
    "gateways with some of them": ({"gateways": ["x/a", "x/b"]}, {"gateways": ["x/b"]}),
    "no gateways with some": ({}, {"gateways": ["x/a"]}),
}
APART = {
    "different exact values": ({"uri": {"exact": "/a"}}, {"uri": {"exact": "/b"}}),
    "an exact value with a prefix": ({"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a"}}),
    "a prefix with another": ({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/b"}}),
    "a regex with anything": ({"uri": {"regex": "/.*"}}, {"uri": {"prefix": "/a"}}),
    "anything with a regex": ({"method": {"exact": "GET"}}, {"method": {"regex": "G.*"}}),
    "a shared header": ({"headers": {"a": {"exact": "1"}}}, {"headers": {"a": {"exact": "2"}}}),
    "presence with presence": ({"queryParams": {"a": {}}}, {"queryParams": {"a": {}}}),
    "a shared header to be without": (
        {"withoutHeaders": {"a": {"prefix": "1"}}},
        {"withoutHeaders": {"a": {"prefix": "2"}}},
    ),
    "another case": ({"uri": {"prefix": "/a"}, "ignoreUriCase": True}, {"uri": {"prefix": "/a"}}),
    "another port": ({"port": 80}, {"port": 81}),
    "another value of a source label": ({"sourceLabels": {"a": "1"}}, {"sourceLabels": {"a": "2"}}),
    "a namespace with none": ({"sourceNamespace": "x"}, {}),
    "gateways with others": ({"gateways": ["x/a"]}, {"gateways": ["x/b"]}),
    "gateways with more": ({"gateways": ["x/a"]}, {"gateways": ["x/a", "x/b"]}),
}


async def merged(root: dict[str, Any], leaf: dict[str, Any]) -> list[istio.HTTPRoute]:
    """The rules that hold for a root and its delegate, each with one rule."""
    plane = await plane_of("")
    rules = {LEAF: (leaf, ()), ROOT: ({**root, "delegate": {"name": "leaf"}}, ("web",))}
    for ref, (rule, hosts) in rules.items():
        spec = istio.VirtualService(hosts=hosts, http=(msgspec.convert(rule, istio.HTTPRoute),))
        plane.store.apply(ref, Object(ref, spec))
    await plane.publish()
    view = plane.engine.view
    obj = view.get(ROOT)
    assert obj is not None
    return [rule.spec for rule in rules_of(view, obj)]


@pytest.mark.parametrize(("root", "leaf"), TOGETHER.values(), ids=TOGETHER.keys())
async def test_matches_that_go_together_are_joined(root: dict[str, Any], leaf: dict[str, Any]):
    [rule] = await merged({"match": [root]}, {"match": [leaf]})
    expected = {**root, **leaf}
    for field in ("headers", "sourceLabels"):
        if field in expected:
            expected[field] = {**root.get(field, {}), **leaf.get(field, {})}
    assert rule.match == (msgspec.convert(expected, istio.MatchRequest),)


@pytest.mark.parametrize(("root", "leaf"), APART.values(), ids=APART.keys())
async def test_a_rule_whose_match_contradicts_its_root_does_not_hold(root: dict[str, Any], leaf: dict[str, Any]):
    assert await merged({"match": [root]}, {"match": [leaf]}) == []


async def test_each_match_of_the_delegate_joins_those_of_the_root_it_goes_with():
    [rule] = await merged(
        {"match": [{"uri": {"prefix": "/a"}, "name": "a"}, {"port": 80}]},
        {"match": [{"uri": {"prefix": "/a/1"}, "name": "one"}, {"uri": {"prefix": "/b"}}]},
    )
    assert [(m.name, m.uri.prefix, m.port) for m in rule.match] == [
        ("a-one", "/a/1", 0),
        ("one", "/a/1", 80),
        ("", "/b", 80),
    ]


async def test_one_match_that_fits_none_takes_the_whole_rule_with_it():
    assert await merged({"match": [{"port": 80}]}, {"match": [{}, {"port": 81}]}) == []


async def test_what_the_delegate_does_not_say_it_takes_from_the_root_field_by_field():
    root = {
        "name": "root",
        "timeout": "5s",
        "headers": {"request": {"set": {"x": "root"}}},
        "mirror": {"host": "copy"},
        "mirrorPercentage": {"value": 5},
        "mirrors": [{"destination": {"host": "other"}}],
    }
    leaf = {"name": "leaf", "headers": {"response": {"set": {"x": "leaf"}}}, "mirror": {"host": "mine"}}
    [rule] = await merged(root, leaf)
    assert (rule.name, rule.timeout, rule.mirror, rule.mirror_percentage) == (
        "root-leaf", "5s", istio.Destination("mine"), istio.Percent(5.0),
    )  # fmt: skip
    assert [mirror.destination.host for mirror in rule.mirrors] == ["other"]
    assert rule.headers == msgspec.convert(leaf["headers"], istio.Headers), "headers are one field"


async def test_rules_that_would_have_too_many_matches_are_ignored_and_reported():
    half = ", ".join(["{uri: {prefix: /a}}"] * (MAX_MERGED_MATCHES // 200))
    delegating = f"{{match: [{half}], delegate: {{name: leaf}}}}"
    kind = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
    plane = await plane_of(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{name: http, port: 80}]}\n---\n"
        f"{kind}metadata: {{name: root}}\nspec: {{hosts: [web], http: [{', '.join([delegating] * 3)}]}}\n---\n"
        f"{kind}metadata: {{name: leaf}}\n"
        f"spec: {{http: [{', '.join(['{route: [{destination: {host: web}}]}'] * 100)}]}}\n"
    )
    root = plane.engine.view.get(ROOT)
    assert root is not None
    assert len(rules_of(plane.engine.view, root)) == 200, "two rules use up the limit"
    assert [f.path for f in plane.findings.all() if f.reason == "DelegateTooLarge"] == ["spec.http[2].delegate"]
