"""References of a Service's routes to other namespaces need no grant; at a Gateway the same ones do (GEP-1294)."""

from typing import Any

import pytest

from tests.gateway_conditions import ACCEPTED, brief, statuses, unresolved
from tests.gateway_manifests import EDGE, GROUP, TILL, doc, gateway, route, rule_to, services
from tests.translators.gateway_api.attachment.test_service_parents import SERVICE, SHOPPER, answer, mesh, told

SERVED = f"{TILL}; copy.shop.svc.cluster.local 100 %"
REQUEST = "GET http://web.default:8000/"


def elsewhere(name: str, kind: str = "HTTPRoute", **rule: Any) -> str:
    """A consumer's route: of namespace shop, for web of namespace default, to a Service there."""
    parent = {**SERVICE, "namespace": "default"}
    rules = [{"backendRefs": [{"name": name, "namespace": "default", "port": 8000}], **rule}]
    return doc(kind, "c", {"parentRefs": [parent], "rules": rules}, namespace="shop")


def copied(name: str) -> dict[str, Any]:
    ref = {"name": name, "namespace": "default", "port": 8000}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": ref}}


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
async def test_backends_and_mirrors_of_another_namespace_are_used_without_a_grant(kind: str):
    text = mesh(elsewhere("next", kind, filters=[copied("old")]))
    assert await answer(text, REQUEST, SHOPPER) == "next; old 100 %"
    assert await told(text) == []


async def test_what_is_missing_in_another_namespace_is_reported_as_missing():
    text = mesh(elsewhere("gone", filters=[copied("nobody")]))
    assert await answer(text, REQUEST, SHOPPER) == "500"
    assert await told(text) == [
        "BackendNotFound spec.rules[0].backendRefs[0].name",
        "BackendNotFound spec.rules[0].filters[0].requestMirror.backendRef.name",
    ]


def of_both(name: str) -> str:
    """A route of a Gateway and a Service, with a backend and a mirror in namespace shop."""
    ref = {"name": name, "namespace": "shop", "port": 8000}
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {**ref, "name": "copy"}}}
    return route("r", {"backendRefs": [ref], "filters": [mirror]}, parents=[{}, SERVICE])


async def test_the_same_route_needs_grants_at_a_gateway_only():
    text = mesh(gateway({}), services("till", "copy", namespace="shop"), of_both("till"))
    assert await answer(text, "GET http://any.example.com/", EDGE) == "500"
    assert await answer(text, REQUEST) == SERVED
    at_gateway, at_service = (await statuses(text))["HTTPRoute r"]["parents"]
    assert brief(at_gateway) == unresolved("RefNotPermitted")
    assert brief(at_service) == ACCEPTED
    allowed = {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "default"}],
        "to": [{"group": "", "kind": "Service"}],
    }
    granted = text + "---\n" + doc("ReferenceGrant", "g", allowed, f"{GROUP}/v1beta1", namespace="shop")
    assert await answer(granted, "GET http://any.example.com/", EDGE) == SERVED
    assert [brief(entry) for entry in (await statuses(granted))["HTTPRoute r"]["parents"]] == [ACCEPTED, ACCEPTED]


async def test_without_a_grant_a_gateways_status_does_not_say_whether_the_target_exists():
    text = mesh(gateway({}), services("copy", namespace="shop"), of_both("gone"))
    at_gateway, at_service = (await statuses(text))["HTTPRoute r"]["parents"]
    assert brief(at_gateway) == unresolved("RefNotPermitted")
    assert "not found" not in at_gateway["conditions"][1]["message"]
    assert brief(at_service) == unresolved("BackendNotFound")
    assert "ReferenceGrant" not in at_service["conditions"][1]["message"]


async def test_a_route_of_a_gateway_alone_still_needs_a_grant():
    text = mesh(gateway({}), services("till", namespace="shop"))
    refused = route("r", rule_to("till", backendRefs=[{"name": "till", "namespace": "shop", "port": 8000}]))
    assert await answer(text + "---\n" + refused, "GET http://any.example.com/", EDGE) == "500"
