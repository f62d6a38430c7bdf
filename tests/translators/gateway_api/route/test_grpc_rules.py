"""GRPCRoutes: which calls they take, where those go, and what becomes of HTTPRoutes for the same hosts."""

from collections.abc import Mapping
from typing import Any

import pytest

from mirrorplane.api.resource import CLUSTER
from mirrorplane.translators.inputs.gateway_api_grpc_route import INPUT
from tests.builders import decoded, objects, plane_of, rendered
from tests.gateway_conditions import ACCEPTED, refused, statuses
from tests.gateway_conditions import brief as conditions
from tests.gateway_manifests import EDGE, doc, gateway, route, rule_to, services
from tests.traffic_language import ask, brief

HOST = "POST http://web.example.com"
OLDER, NEWER = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"
ECHO = "/test.v1.Echo/Say"


def calls(name: str, *rules: Mapping[str, Any], created: str = "", **more: Any) -> str:
    metadata = {"creationTimestamp": created} if created else {}
    return doc("GRPCRoute", name, {"parentRefs": [{"name": "edge"}], "rules": list(rules), **more}, **metadata)


def rule(name: str, *matches: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"matches": list(matches), "backendRefs": [{"name": name, "port": 8000}], **more}


def method(service: str = "", name: str = "", kind: str = "Exact", **more: Any) -> dict[str, Any]:
    spec = {key: value for key, value in (("service", service), ("method", name)) if value}
    return {"method": {"type": kind, **spec}, **more}


def mirrored(name: str) -> dict[str, Any]:
    return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 8000}}}


MATCHES = [
    (method("test.v1.Echo", "Say"), {ECHO: "web", "/test.v1.Echo/Hear": "404", "/test.v1.Echo/Say/x": "404"}),
    (method(".test.v1.Echo", "Say"), {ECHO: "web"}),
    (method("test.v1.Echo"), {ECHO: "web", "/test.v1.Echo/Hear": "web", "/test.v1.Echoes/Say": "404"}),
    (method(name="Say"), {ECHO: "web", "/other.Echo/Say": "web", "/a/b/Say": "404", "/test.v1.Echo/SayNo": "404"}),
    (method("test.*", "S.y", "RegularExpression"), {ECHO: "web", "/test/Shy": "web", "/other/Say": "404"}),
    (method("test.v[12].Echo", kind="RegularExpression"), {ECHO: "web", "/test.v3.Echo/Say": "404"}),
    ({"headers": [{"name": "X-A", "value": "1"}]}, {ECHO: "404"}),
    ({}, {ECHO: "web"}),
]


@pytest.mark.parametrize(("match", "by_call"), MATCHES)
async def test_calls_are_matched_by_service_and_method(match: dict[str, Any], by_call: dict[str, str]):
    served = await rendered("---\n".join([gateway({}), calls("web", rule("web", match)), services("web")]), EDGE)
    for url, expected in by_call.items():
        assert brief(ask(served, HOST + url)) == expected, url
    if "headers" in match:
        assert brief(ask(served, HOST + ECHO, {"x-a": "1"})) == "web"


ONE, BOTH = [{"name": "a", "value": "1"}], [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]
PRECEDENCE = [
    (method("test.v1.Echo", headers=BOTH), method("test.v1.Echo", "Say")),
    (method(name="Say", headers=BOTH), method("test.v1.Echo")),
    (method("test.v1.Echo", "Say", headers=ONE), method("test.v1.Echo", "Say", headers=BOTH)),
    ({"headers": BOTH}, method(name="Say")),
    (method("test[.]v1[.]Echo.*", "Say", "RegularExpression", headers=BOTH), {"headers": ONE}),
]


@pytest.mark.parametrize(("loses", "wins"), PRECEDENCE)
async def test_the_longest_service_then_method_then_most_headers_win(loses: dict[str, Any], wins: dict[str, Any]):
    rules = [calls("a", rule("first", loses), created=OLDER), calls("b", rule("second", wins), created=NEWER)]
    served = await rendered("---\n".join([gateway({}), *rules, services("first", "second")]), EDGE)
    assert brief(ask(served, HOST + ECHO, {"a": "1", "b": "1"})) == "second"


async def test_what_cannot_be_sent_is_unavailable():
    refs = [{"name": "web", "port": 8000}, {"name": "missing", "port": 8000}]
    specs = [
        rule("missing", method("a.A")),
        {"matches": [method("b.B")], "backendRefs": refs},
        {"matches": [method("c.C")]},
        rule("web", method("d.D"), filters=[{"type": "ExtensionRef", "extensionRef": {
            "group": "example.com", "kind": "Sieve", "name": "fine"}}]),
    ]  # fmt: skip
    served = await rendered("---\n".join([gateway({}), calls("web", *specs), services("web")]), EDGE)
    outcomes = [brief(ask(served, f"{HOST}/{name}/X")) for name in ("a.A", "b.B", "c.C", "d.D", "e.E")]
    assert outcomes == ["503", "web 1 + NoValidBackend (503) 1", "503", "503", "404"]


async def test_calls_and_their_copies_are_http2_and_requests_are_as_before():
    text = [
        gateway({}),
        calls("calls", rule("web", filters=[mirrored("copy")]), hostnames=["calls.example.com"]),
        route("web", rule_to("web", filters=[mirrored("copy")]), hostnames=["web.example.com"]),
        services("web", "copy"),
    ]
    served = await rendered("---\n".join(text), EDGE)
    clusters = decoded(served, CLUSTER)
    for host, directions in (("calls", ("http2", "mirror-http2")), ("web", ("outbound", "mirror"))):
        sent = ask(served, f"POST http://{host}.example.com{ECHO}").action
        names = [sent.targets[0].cluster, sent.mirrors[0].cluster]  # type: ignore[union-attr]
        assert [name.partition("|")[0] for name in names] == list(directions)
        for name in names:
            (options,) = clusters[name]["typed_extension_protocol_options"].values()
            spoken = list(options["explicit_http_config"])
            assert spoken == ["http2_protocol_options" if host == "calls" else "http_protocol_options"]
            assert clusters[name]["eds_cluster_config"]["service_name"].startswith("outbound|8000||")
        guarded = clusters[names[1]]["circuit_breakers"]["thresholds"][0]["max_requests"]
        assert (
            guarded
            == clusters["mirror|8000||copy.default.svc.cluster.local"]["circuit_breakers"]["thresholds"][0][
                "max_requests"
            ]
        )


async def test_a_port_that_says_http2_has_no_cluster_more():
    http2 = doc("Service", "web", {"ports": [{"name": "http", "port": 8000, "appProtocol": "kubernetes.io/h2c"}]}, "v1")
    served = await rendered("---\n".join([gateway({}), calls("web", rule("web")), services("web"), http2]), EDGE)
    assert brief(ask(served, HOST + ECHO)) == "web"
    assert not any(name.startswith("http2|") for name in served.of_type(CLUSTER))


RIVALS = [
    ({"created": OLDER}, {"created": NEWER}, "calls"),
    ({"created": NEWER}, {"created": OLDER}, "web"),
    ({"created": OLDER, "hostnames": ["*.example.com"]}, {"created": NEWER}, "calls"),
    ({"created": NEWER, "hostnames": ["*.example.com"]}, {"created": OLDER, "hostnames": ["web.example.com"]}, "web"),
    ({"created": NEWER}, {"created": OLDER, "hostnames": ["other.example.com"]}, "nobody"),
    (
        {"created": NEWER, "hostnames": ["web.example.com"]},
        {"created": OLDER, "hostnames": ["other.example.com"]},
        "both",
    ),
]


@pytest.mark.parametrize(("grpc", "http", "expected"), RIVALS)
async def test_of_an_http_and_a_grpc_route_for_one_host_the_older_is_accepted(
    grpc: dict[str, Any], http: dict[str, Any], expected: str
):
    text = [gateway({}), calls("calls", rule("calls"), **grpc), route("web", rule_to("web"), **http)]
    plane = await plane_of("---\n".join([*text, services("web", "calls")]))
    served = plane.render(EDGE)
    findings = {f.about.name: (f.reason, f.path) for f in plane.findings.all()}
    refused = ("NotAllowedByListeners", "spec.parentRefs[0]")
    assert (
        findings
        == {"calls": {"web": refused}, "web": {"calls": refused}, "both": {}, "nobody": {"calls": refused}}[expected]
    )
    answers = {"both": "calls", "nobody": "404"}
    assert brief(ask(served, HOST + ECHO)) == answers.get(expected, expected)


async def test_both_statuses_say_whether_the_route_is_accepted():
    specs = [
        gateway({}),
        calls("calls", rule("web"), created=NEWER),
        route("web", rule_to("web"), created=OLDER),
        services("web"),
    ]
    status = await statuses(*specs)
    by_name = {kind: conditions(status[kind]["parents"][0]) for kind in ("HTTPRoute web", "GRPCRoute calls")}
    assert by_name == {"HTTPRoute web": ACCEPTED, "GRPCRoute calls": refused("NotAllowedByListeners")}


async def test_a_route_that_is_not_accepted_conflicts_with_no_other():
    text = [
        gateway({}),
        route("a", rule_to("web"), created="2020-01-01T00:00:00Z", hostnames=["a.example.com"]),
        calls("b", rule("web"), created="2021-01-01T00:00:00Z", hostnames=["a.example.com", "c.example.com"]),
        route("c", rule_to("web"), created="2022-01-01T00:00:00Z", hostnames=["c.example.com"]),
        services("web"),
    ]
    plane = await plane_of("---\n".join(text))
    assert [f.about.name for f in plane.findings.all()] == ["b"]
    assert brief(ask(plane.render(EDGE), "GET http://c.example.com/")) == "web"


REFUSED = [
    ({"method": {}}, "method", "One or both of 'service' or 'method' must be specified"),
    ({"method": {"service": "a/b"}}, "method.service", "service must only contain valid characters"),
    ({"method": {"method": "a.b"}}, "method.method", "method must only contain valid characters"),
    ({"headers": [{"name": "a b", "value": "c"}]}, "headers[0]", "invalid header name 'a b'"),
]


@pytest.mark.parametrize(("match", "field", "message"), REFUSED)
def test_what_the_api_server_refuses_is_refused(match: dict[str, Any], field: str, message: str):
    (obj,) = objects(calls("web", rule("web", match)))
    (finding,) = INPUT.validate(obj)
    assert finding.path == f"spec.rules[0].matches[0].{field}"
    assert finding.message.startswith(message)


async def test_a_rule_with_a_regex_that_envoy_rejects_is_dropped_alone():
    match = {"method": {"service": "(", "type": "RegularExpression"}}
    plane = await plane_of("---\n".join([gateway({}), services("web"), calls("web", rule("web", match), rule("web"))]))
    (finding,) = plane.findings.all()
    assert (finding.reason, finding.path) == ("UnsupportedValue", "spec.rules[0].matches[0].method.service")
    assert brief(ask(plane.render(EDGE), "POST http://web/a.B/C")) == "web"
