"""A bad rule of a Service's route never takes the Service down. See decision 0132."""

from typing import Any

import pytest

from mirrorplane.api.meta import Ref
from tests.builders import SLEEP, objects, plane_of
from tests.gateway_conditions import brief, refused, statuses
from tests.gateway_manifests import EDGE, GROUP, doc, gateway, path, route, rule_to
from tests.traffic_language import ask
from tests.traffic_language import brief as brief_outcome
from tests.translators.gateway_api.attachment.test_service_parents import INSIDE, SERVICE, WEB, answer, mesh, of_web

GOOD = rule_to("next", path("/a"))
BAD_MATCH = rule_to("old", path("/(", "RegularExpression"))
CONNECT = rule_to("old", {"method": "CONNECT"})
BAD_TIMEOUT = rule_to("old", path("/t"), timeouts={"request": "99999h"})
AUTH = {
    "type": "ExternalAuth",
    "externalAuth": {"protocol": "GRPC", "backendRef": {"name": "old", "port": 8000}, "grpc": {}},
}
BAD_AUTHORIZED = {**BAD_MATCH, "filters": [AUTH]}
URLS = ("/a", "/b", "/t")
CASES = [
    ("all are good", [GOOD], ["next", "404", "404"]),
    ("all are dropped", [BAD_MATCH], ["web", "web", "web"]),
    ("none can match", [CONNECT], ["web", "web", "web"]),
    ("all have a bad field", [BAD_TIMEOUT], ["web", "web", "web"]),
    ("one is dropped", [GOOD, BAD_MATCH], ["next", "web", "web"]),
    ("one has a bad field", [GOOD, BAD_TIMEOUT], ["next", "404", "500"]),
    ("one of each", [GOOD, BAD_MATCH, BAD_TIMEOUT], ["next", "web", "500"]),
    ("one that authorizes is dropped", [GOOD, BAD_AUTHORIZED], ["next", "500", "500"]),
    ("all are dropped and one authorizes", [BAD_MATCH, BAD_AUTHORIZED], ["500", "500", "500"]),
]


@pytest.mark.parametrize(("rules", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_what_a_bad_rule_may_have_matched_goes_to_the_service_unless_it_authorizes(
    rules: list[dict[str, Any]], expected: list[str]
):
    text = mesh(of_web("r", *rules))
    assert [await answer(text, f"GET http://web:8000{url}") for url in URLS] == expected
    assert [await answer(text, f"GET http://any:8000{url}", INSIDE, WEB) for url in URLS] == [
        "PassthroughCluster" if answerer == "web" and len(set(expected)) == 1 else answerer for answerer in expected
    ]


async def test_a_route_without_a_good_rule_leaves_the_other_routes_of_the_service_alone():
    older = of_web("a", rule_to("next"), created="2020-01-01T00:00:00Z")
    for rules in ([BAD_MATCH], [BAD_MATCH, GOOD]):
        text = mesh(older, of_web("r", *rules))
        assert await answer(text, "GET http://web:8000/b") == "next"
        assert await answer(text, "GET http://web:8000/a") == "next"


async def test_a_route_that_becomes_bad_never_answers_404():
    plane = await plane_of(mesh(of_web("r", rule_to("next"))))
    ref = Ref(f"{GROUP}/HTTPRoute", "default", "r")
    for rules, expected in (([BAD_MATCH], "web"), ([rule_to("next")], "next")):
        (obj,) = objects(of_web("r", *rules))
        plane.store.apply(ref, obj)
        await plane.publish()
        assert brief_outcome(ask(plane.render(SLEEP), "GET http://web:8000/x")) == expected


async def test_the_status_says_what_becomes_of_requests():
    (entry,) = (await statuses(mesh(of_web("r", BAD_MATCH))))["HTTPRoute r"]["parents"]
    assert brief(entry) == refused("UnsupportedValue")
    assert "the route is not attached to the Service" in entry["conditions"][0]["message"]
    (entry,) = (await statuses(mesh(of_web("r", GOOD, BAD_MATCH))))["HTTPRoute r"]["parents"]
    assert "requests that no other rule matches go to the Service itself" in entry["conditions"][2]["message"]


async def test_at_a_gateway_a_dropped_rule_is_not_found():
    text = mesh(gateway({}), route("r", GOOD, BAD_MATCH, parents=[{}, SERVICE]))
    assert await answer(text, "GET http://any.example.com/b", EDGE) == "404"
    assert await answer(text, "GET http://web:8000/b") == "web"
    (finding,) = (await plane_of(text)).findings.all()
    assert "the rule is dropped; at Services, the rule is dropped, and requests" in finding.message


BAD_CALL = {"matches": [{"method": {"type": "RegularExpression", "service": "("}}]}


async def test_calls_keep_reaching_the_service_too():
    spec = {"parentRefs": [SERVICE], "rules": [{**BAD_CALL, "backendRefs": [{"name": "next", "port": 8000}]}]}
    grpc_route = doc("GRPCRoute", "calls", spec)
    assert await answer(mesh(grpc_route), "POST http://web:8000/shop.Till/Pay") == "web"
    both = mesh(grpc_route, of_web("r", rule_to("old")))
    assert await answer(both, "POST http://web:8000/shop.Till/Pay") == "old", "it displaces no HTTPRoute"
    (entry,) = (await statuses(both))["HTTPRoute r"]["parents"]
    assert brief(entry)["Accepted"] == "Accepted"
