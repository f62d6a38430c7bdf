"""Istio's VirtualService seen from outside: rules, a request, and what becomes of it."""

from typing import Any

import msgspec
import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.playground.manifests import local_pod
from tests import fast_yaml as yaml
from tests.builders import SLEEP, rendered
from tests.e2e.support.manifests import mesh_config
from tests.traffic_language import answer_edits, ask, brief, headers_of, reasons

SHORT = {
    "V1": "{destination: {host: web, subset: v1}}",
    "V2": "{destination: {host: web, subset: v2}}",
    "OTHER": "{destination: {host: other}}",
}
"""What stands for a destination in the rules below."""
NAMES = "web WEB web.default web.default.svc web.default.svc.cluster.local web.default.svc.cluster.local."


class Case(msgspec.Struct, frozen=True):
    """Rules of `web` (the text of `http`), and outcomes by request."""

    rules: str
    wanted: dict[str, str]
    headers: dict[str, str] = {}


def ports(*numbers: int) -> str:
    return str([{"name": f"http-{n}", "port": n} for n in numbers])


def ground() -> str:
    services = [
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n"
        f"spec: {{ports: {listed}, selector: {{app: {name}}}}}"
        for name, listed in (("web", ports(8000)), ("other", ports(8000)), ("two", ports(8000, 9000)))
    ]
    pods = [local_pod(f"web-{v}", "web", {"app": "web", "version": v}, 9, "http-8000") for v in ("v1", "v2")]
    pods += [local_pod("other-1", "other", {"app": "other"}, 9, "http-8000")]
    pods += [local_pod(f"two-{n}", "two", {"app": "two"}, 9, f"http-{n}") for n in (8000, 9000)]
    subsets = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
"""
    return "---\n".join([*(f"{service}\n" for service in services), *pods, subsets])


def virtual_service(name: str, http: str, *, hosts: str = "[web]", **more: Any) -> str:
    for word, intended in SHORT.items():
        http = http.replace(f"[{word}]", f"[{intended}]")
    spec = {"http": yaml.safe_load(http), **({"hosts": yaml.safe_load(hosts)} if hosts else {}), **more}
    content = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": spec,
    }
    return yaml.safe_dump(content)


async def served(*rules: str, proxy: Proxy = SLEEP) -> ResourceSet:
    return await rendered("---\n".join([ground(), *rules]), proxy)


def to_v1(match: str) -> str:
    """A rule that sends what matches to v1, and one that sends the rest to v2."""
    return f"[{{match: {match}, route: [V1]}}, {{route: [V2]}}]"


CASES = {
    "no rules at all": Case("[]", {"/": "web", "/a?b": "web"}),
    "one destination gets all, whatever its weight": Case(
        "[{route: [{destination: {host: web, subset: v1}, weight: 0}]}]", {"/": "web/v1"}
    ),
    "nothing matches": Case("[{match: [{uri: {exact: /a}}], route: [V1]}]", {"/a": "web/v1", "/b": "404"}),
    "exact path": Case(to_v1("[{uri: {exact: /a}}]"), {"/a": "web/v1", "/a/": "web/v2", "/A": "web/v2"}),
    "a prefix is one of characters, not of segments": Case(
        to_v1("[{uri: {prefix: /a}}]"), {"/a": "web/v1", "/ab": "web/v1", "/a/b": "web/v1", "/b/a": "web/v2"}
    ),
    "a regex is about the whole path without the query": Case(
        to_v1("[{uri: {regex: '/a.'}}]"), {"/ab": "web/v1", "/ab?c": "web/v1", "/abc": "web/v2", "/a": "web/v2"}
    ),
    "ignoreUriCase": Case(to_v1("[{uri: {prefix: /A}, ignoreUriCase: true}]"), {"/ab": "web/v1", "/AB": "web/v1"}),
    "ignoreUriCase is not for regexes": Case(
        to_v1("[{uri: {regex: '/A'}, ignoreUriCase: true}]"), {"/a": "web/v2", "/A": "web/v1"}
    ),
    "matches of a rule are alternatives": Case(
        to_v1("[{uri: {exact: /a}}, {uri: {exact: /b}}]"), {"/a": "web/v1", "/b": "web/v1", "/c": "web/v2"}
    ),
    "what is in one match must hold together": Case(
        to_v1("[{uri: {exact: /a}, method: {exact: POST}}]"), {"/a": "web/v2", "POST /a": "web/v1", "POST /": "web/v2"}
    ),
    "the first rule that matches holds": Case(
        "[{match: [{uri: {prefix: /a}}], route: [V1]}, {match: [{uri: {exact: /a}}], route: [OTHER]}]",
        {"/a": "web/v1"},
    ),
    "what stands behind a rule without match is never asked": Case(
        "[{route: [V1]}, {match: [{uri: {exact: /a}}], route: [V2]}]", {"/a": "web/v1"}
    ),
    "a header": Case(to_v1("[{headers: {X-User: {exact: me}}}]"), {"/": "web/v1"}, {"x-user": "me"}),
    "a header of another value": Case(to_v1("[{headers: {x-user: {exact: me}}}]"), {"/": "web/v2"}, {"x-user": "Me"}),
    "a header that is there": Case(to_v1("[{headers: {x-user: {}}}]"), {"/": "web/v1"}, {"x-user": ""}),
    "a header that is not there": Case(to_v1("[{headers: {x-user: {regex: '*'}}}]"), {"/": "web/v2"}),
    "withoutHeaders, missing": Case(to_v1("[{withoutHeaders: {x-user: {exact: me}}}]"), {"/": "web/v1"}),
    "withoutHeaders, another": Case(
        to_v1("[{withoutHeaders: {x-user: {exact: me}}}]"), {"/": "web/v1"}, {"x-user": "you"}
    ),
    "withoutHeaders, that one": Case(
        to_v1("[{withoutHeaders: {x-user: {exact: me}}}]"), {"/": "web/v2"}, {"x-user": "me"}
    ),
    "withoutHeaders, a regex that fits nothing at all": Case(
        to_v1("[{withoutHeaders: {x-user: {regex: '.*'}}}]"), {"/": "web/v2"}
    ),
    "query parameters": Case(
        to_v1("[{queryParams: {q: {exact: '1'}}}]"),
        {"/?q=1": "web/v1", "/?a&q=1": "web/v1", "/?q=2": "web/v2", "/": "web/v2", "/?q=2&q=1": "web/v2"},
    ),
    "a query parameter that is there": Case(to_v1("[{queryParams: {q: {}}}]"), {"/?q": "web/v1", "/?Q": "web/v2"}),
    "the authority is as the client says it": Case(
        to_v1("[{authority: {exact: 'web.default:8000'}}]"),
        {"GET http://web.default:8000/": "web/v1", "GET http://web:8000/": "web/v2"},
    ),
    "the port of a rule": Case(to_v1("[{port: 9000}]"), {"/": "web/v2"}),
    "shares": Case(
        "[{route: [{destination: {host: web, subset: v1}, weight: 90}, {destination: {host: other}, weight: 10}]}]",
        {"/": "web/v1 90 + other 10"},
    ),
    "of several destinations, one of weight 0 gets none": Case(
        "[{route: [{destination: {host: web, subset: v1}, weight: 0}, {destination: {host: other}, weight: 5}]}]",
        {"/": "other"},
    ),
    "a destination without port means its only one": Case("[{route: [OTHER]}]", {"/": "other"}),
    "a destination without port means the listener's when it has several": Case(
        "[{route: [{destination: {host: two}}]}]", {"/": "two"}
    ),
    "a destination with a port": Case(
        "[{route: [{destination: {host: two, port: {number: 9000}}}]}]", {"/": "two:9000"}
    ),
    "a destination that does not exist": Case("[{route: [{destination: {host: nowhere}}]}]", {"/": "503"}),
    "rewrite of a prefix": Case(
        "[{match: [{uri: {prefix: /a}}], route: [V1], rewrite: {uri: /b}}]",
        {"/a": "web/v1 as /b", "/a/c?q=1": "web/v1 as /b/c?q=1", "/ac": "web/v1 as /bc"},
    ),
    "rewrite of an exact path": Case(
        "[{match: [{uri: {exact: /a}}], route: [V1], rewrite: {uri: /b}}]", {"/a?q": "web/v1 as /b?q"}
    ),
    "rewrite of a regex replaces the whole path": Case(
        "[{match: [{uri: {regex: '/a.*'}}], route: [V1], rewrite: {uri: /b}}]", {"/a/c?q": "web/v1 as /b?q"}
    ),
    "rewrite inside a path": Case(
        "[{route: [V1], rewrite: {uriRegexRewrite: {match: '^/v1/([^/]+)', rewrite: '/v2/\\1/new'}}}]",
        {"/v1/x/y?q": "web/v1 as /v2/x/new/y?q", "/v3/x": "web/v1"},
    ),
    "rewrite of the authority": Case(
        "[{route: [V1], rewrite: {authority: new.example}}]", {"/a": "web/v1 as new.example/a"}
    ),
    "a Host among the headers is a rewrite": Case(
        "[{route: [V1], headers: {request: {set: {Host: new.example}}}}]", {"/a": "web/v1 as new.example/a"}
    ),
    "redirect": Case(
        "[{match: [{uri: {exact: /a}}], redirect: {uri: /b, authority: new.example}}]",
        {"/a": "301 http://new.example/b", "/a?q=1": "301 http://new.example/b?q=1"},
    ),
    "redirect of a prefix": Case(
        "[{match: [{uri: {prefix: /a}}], redirect: {prefixRewrite: /b, redirectCode: 308}}]",
        {"/a/c": "308 http://web:8000/b/c"},
    ),
    "redirect to another scheme": Case("[{redirect: {scheme: https, port: 443}}]", {"/a": "301 https://web:8000/a"}),
    "redirect to another port": Case("[{redirect: {port: 81}}]", {"/a": "301 http://web:81/a"}),
    "redirect to the port that was called": Case(
        "[{redirect: {authority: new.example, derivePort: FROM_REQUEST_PORT}}]", {"/a": "301 http://new.example:8000/a"}
    ),
    "direct response": Case("[{directResponse: {status: 418, body: {string: teapot}}}]", {"/": "418 teapot"}),
    "mirror": Case("[{route: [V1], mirror: {host: web, subset: v2}}]", {"/": "web/v1; web/v2 100 %"}),
    "mirror of a share": Case(
        "[{route: [V1], mirror: {host: other}, mirrorPercentage: {value: 12.5}}]", {"/": "web/v1; other 12.5 %"}
    ),
    "mirror of an empty percentage is none": Case(
        "[{route: [V1], mirror: {host: other}, mirrorPercentage: {}}]", {"/": "web/v1"}
    ),
    "mirrors": Case(
        "[{route: [V1], mirrors: [{destination: {host: other}}, {destination: {host: two}, percentage: {value: 5}}]}]",
        {"/": "web/v1; other 100 %; two 5 %"},
    ),
    "a mirror that does not exist is left out": Case("[{route: [V1], mirror: {host: nowhere}}]", {"/": "web/v1"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("proxied", [False, True], ids=["listener", "proxy"])
async def test_a_rule_does_what_it_says(case: Case, proxied: bool):
    resources = await served(virtual_service("web", case.rules))
    results = {}
    for text in case.wanted:
        method, _, remainder = text.rpartition(" ")
        url = remainder if remainder.startswith("http") else f"http://web:8000{remainder}"
        results[text] = brief(ask(resources, f"{method or 'GET'} {url}", case.headers, proxied=proxied))
    assert results == case.wanted


async def test_every_name_of_a_service_is_its_own_and_no_other_is():
    resources = await served(virtual_service("web", "[{route: [V1]}]"))
    for name in NAMES.split():
        for proxied in (False, True):
            assert brief(ask(resources, f"GET http://{name}:8000/", proxied=proxied)) == "web/v1"
    assert brief(ask(resources, "GET http://web.other:8000/")) == "503"
    assert brief(ask(resources, "GET http://xweb:8000/")) == "503"
    assert brief(ask(resources, "GET http://web:8001/", proxied=True)) == "503"
    assert brief(ask(resources, "GET http://web:8001/")) == "nothing"


async def test_the_name_counts_and_not_the_port_behind_it_where_the_port_was_dialled():
    resources = await served(virtual_service("web", "[{route: [V1]}]"))
    outcome = ask(resources, "GET http://web:8000/")
    assert brief(ask(resources, "GET http://other:8000/")) == "other"
    assert (outcome.listener, outcome.route_configuration, outcome.domain) == ("127.0.0.1_8000", "8000", "web")
    assert ask(resources, "GET http://web:8000/", proxied=True).domain == "web:8000"


async def test_registry_only_answers_502():
    config = mesh_config({"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}})
    assert brief(ask(await served(config), "GET http://nobody:8000/")) == "502"


async def test_header_changes_of_the_rule_and_its_only_destination_are_one():
    rule = """
- headers: {request: {set: {x-a: rule, x-b: rule}, add: {x-d: rule}, remove: [x-gone]}, response: {set: {x-r: rule}}}
  route:
  - {destination: {host: other}, headers: {request: {set: {x-a: to}, add: {x-d: to, x-b: more}, remove: [x-c]}}}"""
    outcome = ask(
        await served(virtual_service("web", rule)),
        "GET http://web:8000/",
        {"x-c": "1", "x-gone": ("1", "2"), "x-d": "was"},
    )
    assert headers_of(outcome) == {"x-a": "to", "x-b": "rule|more", "x-d": "was|rule|to"}
    assert [edit.set for edit in answer_edits(outcome)] == [(("x-r", "rule"),)]


async def test_a_share_has_its_own_headers_and_the_rules_win():
    rule = """
- headers: {request: {set: {x-a: rule}, remove: [x-b]}}
  route:
  - {destination: {host: web, subset: v1}, weight: 1, headers: {request: {set: {x-a: v1, x-b: v1, Host: h.example}}}}
  - {destination: {host: web, subset: v2}, weight: 3}"""
    resources = await served(virtual_service("web", rule))
    outcome = ask(resources, "GET http://web:8000/", random_value=4000)
    assert brief(outcome).startswith("web/v1 1 as h.example")
    assert headers_of(outcome) == {"x-a": "rule"}
    assert brief(ask(resources, "GET http://web:8000/", random_value=4001)) == "web/v2 3"


@pytest.mark.parametrize(
    ("random_value", "expected"), [(0, "yes"), (124_999, "yes"), (125_000, "no"), (7_125_000, "no")]
)
async def test_one_number_decides_what_is_copied(random_value: int, expected: str):
    rule = "[{route: [V1], mirror: {host: other}, mirrorPercentage: {value: 12.5}}]"
    resources = await served(virtual_service("web", rule))
    assert brief(ask(resources, "GET http://web:8000/", random_value=random_value)) == f"web/v1; other {expected}"


async def test_a_delegate_stands_in_place_of_the_rule_that_names_it():
    root = virtual_service(
        "root",
        """
- {match: [{uri: {prefix: /a}}], delegate: {name: leaf}, mirror: {host: other}}
- {route: [{destination: {host: web}}]}""",
    )
    leaf = virtual_service(
        "leaf",
        """
- {match: [{uri: {prefix: /a/b}}], route: [V1]}
- {match: [{uri: {prefix: /x}}], route: [V2]}
- {match: [{headers: {x-v: {exact: '2'}}}], route: [V2], mirror: {host: two}}""",
        hosts="",
    )
    resources = await served(root, leaf)
    assert brief(ask(resources, "GET http://web:8000/a/b/c")) == "web/v1; other 100 %"
    assert brief(ask(resources, "GET http://web:8000/a")) == "web"
    assert brief(ask(resources, "GET http://web:8000/a", {"x-v": "2"})) == "web/v2; two 100 %"
    assert brief(ask(resources, "GET http://web:8000/x")) == "web"
    outcome = ask(resources, "GET http://web:8000/a/b")
    assert outcome.origin is not None
    assert (str(outcome.origin.about), outcome.origin.path) == ("VirtualService default/leaf", "spec.http[0]")


async def test_rules_are_for_some_clients_only():
    rule = to_v1("[{sourceLabels: {app: sleep}}]")
    assert brief(ask(await served(virtual_service("web", rule)), "GET http://web:8000/")) == "web/v1"
    stranger = msgspec.structs.replace(SLEEP, labels={"app": "other"})
    assert brief(ask(await served(virtual_service("web", rule), proxy=stranger), "GET http://web:8000/")) == "web/v2"


async def test_of_two_objects_for_one_host_only_the_first_counts():
    item, second = (
        virtual_service("a", "[{match: [{uri: {exact: /a}}], route: [V1]}]"),
        virtual_service("b", "[{route: [V2]}]"),
    )
    resources = await served(item, second)
    assert (brief(ask(resources, "GET http://web:8000/a")), brief(ask(resources, "GET http://web:8000/b"))) == (
        "web/v1",
        "404",
    )


async def test_limits_and_filters_are_named():
    fault = "fault: {abort: {httpStatus: 500, percentage: {value: 1}}}"
    rule = f"[{{route: [V1], timeout: 5s, retries: {{attempts: 3, retryOn: 5xx}}, {fault}}}]"
    outcome = ask(await served(virtual_service("web", rule)), "GET http://web:8000/")
    assert (outcome.action.timeout_ms, outcome.action.retries, outcome.action.retry_on) == (5000, 3, "5xx")
    assert outcome.filters == ("envoy.filters.http.fault",)


async def test_why_a_route_does_not_match_is_said_for_each():
    rules = """
- {match: [{uri: {exact: /b}}, {method: {exact: POST}}], route: [V1]}
- {match: [{headers: {x-user: {prefix: m}}}], route: [V1]}
- {match: [{withoutHeaders: {x-here: {}}}], route: [V1]}
- {match: [{queryParams: {q: {regex: '[0-9]+'}}}], route: [V1]}
"""
    outcome = ask(
        await served(virtual_service("web", rules)), "GET http://web:8000/a?q=x", {"x-user": "you", "x-here": "1"}
    )
    assert brief(outcome) == "404"
    assert reasons(outcome) == [
        "the path is /a (it must be /b)",
        "header :method is 'GET' (it must be 'POST')",
        "header x-user is 'you' (it must start with 'm')",
        "header x-here is '1' (it must be absent)",
        "query parameter q is 'x' (it must fully match the regex '[0-9]+')",
    ]
