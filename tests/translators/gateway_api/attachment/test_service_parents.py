"""What routes of Services mean for clients in the mesh (GAMMA): whose hold for whom, at which ports, for which Host."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from mirrorplane.api.proxy import REDIRECT, Proxy
from mirrorplane.api.resource import LISTENER, ROUTE
from tests.builders import SLEEP, plane_of, rendered
from tests.gateway_manifests import GROUP, doc, gateway, path, route, rule_to, services
from tests.traffic_language import ask, brief

SERVICE = {"group": "", "kind": "Service", "name": "web"}
SHOPPER = Proxy("sidecar", "till", "shop", ip="127.0.0.2")
INSIDE = msgspec.structs.replace(SLEEP, ip="10.0.0.9", interception=REDIRECT)
PORTS = [{"name": "http", "port": 8000}, {"name": "http-alt", "port": 8080}, {"name": "tcp", "port": 9000}]
WEB, NEXT, POD = "10.96.0.1", "10.96.0.2", "10.0.0.1"


def mesh(*routes: str, **web: Any) -> str:
    """The Services web and next, with addresses, and routes."""
    spec = {"ports": PORTS, "clusterIP": WEB, **web}
    both = [
        doc("Service", "web", spec, "v1"),
        doc("Service", "next", {"ports": PORTS, "clusterIP": NEXT}, "v1"),
    ]
    slices = [text for text in services("web", "next", "old").split("---\n") if "EndpointSlice" in text]
    old = doc("Service", "old", {"ports": PORTS[:1]}, "v1")
    return "---\n".join([*both, old, *slices, *routes])


def of_web(name: str, *rules: Mapping[str, Any], parent: Mapping[str, Any] | None = None, **more: Any) -> str:
    return route(name, *rules, parents=[{**SERVICE, **(parent or {})}], **more)


def consumer(name: str, *rules: Mapping[str, Any], **more: Any) -> str:
    return of_web(name, *rules, parent={"namespace": "default"}, namespace="shop", **more)


def send(name: str, *matches: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A rule that sends to a Service of the namespace default."""
    return {
        "matches": list(matches) or [{}],
        "backendRefs": [{"name": name, "namespace": "default", "port": 8000}],
    } | more


async def answer(text: str, request: str, proxy: Proxy = SLEEP, address: str = "", **headers: str) -> str:
    return brief(ask(await rendered(text, proxy), request, headers, address=address))


async def told(text: str) -> list[str]:
    return [f"{f.reason} {f.path}" for f in (await plane_of(text)).findings.all()]


ALT = "503"
"""Nobody answers for the other port of web."""
PARENTS = [
    ({}, "next", "next", []),
    ({"port": 8000}, "next", ALT, []),
    ({"sectionName": "http-alt"}, "web", "next", []),
    ({"port": 8080, "sectionName": "http-alt"}, "web", "next", []),
    ({"port": 8080, "sectionName": "http"}, "web", ALT, ["NoMatchingParent spec.parentRefs[0]"]),
    ({"port": 81}, "web", ALT, ["NoMatchingParent spec.parentRefs[0]"]),
    ({"sectionName": "tcp"}, "web", ALT, ["NoMatchingParent spec.parentRefs[0]"]),
    ({"name": "nobody"}, "web", ALT, ["ParentNotFound spec.parentRefs[0]"]),
    ({"group": GROUP}, "web", ALT, ["ParentNotServed spec.parentRefs[0].group"]),
]


@pytest.mark.parametrize(("parent", "oldest", "second", "spec"), PARENTS)
async def test_a_route_applies_to_the_ports_that_it_selects(
    parent: dict[str, Any], oldest: str, second: str, spec: list[str]
):
    text = mesh(of_web("r", rule_to("next"), parent=parent))
    served = await rendered(text)
    assert brief(ask(served, "GET http://web:8000/")) == oldest
    assert brief(ask(served, "GET http://web:8080/")) in {second, "503"}
    assert brief(ask(served, "GET http://web:8080/")) != "next" or second == "next"
    assert await told(text) == spec


HEADLESS = [({"clusterIP": "None"}, "headless"), ({"type": "ExternalName", "clusterIP": ""}, "ExternalName")]


@pytest.mark.parametrize(("web", "why"), HEADLESS)
async def test_a_service_without_an_address_of_its_own_is_no_parent(web: dict[str, str], why: str):
    plane = await plane_of(mesh(of_web("r", rule_to("next")), **web))
    (finding,) = plane.findings.all()
    assert (finding.reason, finding.path) == ("NoMatchingParent", "spec.parentRefs[0]")
    assert why in finding.message
    assert brief(ask(plane.render(SLEEP), "GET http://web:8000/")) != "next"


async def test_what_no_rule_takes_is_answered_404_and_without_rules_all_is_sent():
    served = await rendered(mesh(of_web("r", rule_to("next", path("/a")))))
    assert brief(ask(served, "GET http://web:8000/a/b")) == "next"
    assert brief(ask(served, "GET http://web:8000/b")) == "404"
    assert await answer(mesh(), "GET http://web:8000/b") == "web"


async def test_a_rule_without_backends_is_answered_500_though_it_mirrors():
    copied = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "next", "port": 8000}}}
    assert await answer(mesh(of_web("r", {"filters": [copied]})), "GET http://web:8000/") == "500"
    zero = {"backendRefs": [{"name": "web", "port": 8000, "weight": 0}]}
    assert await answer(mesh(of_web("r", zero)), "GET http://web:8000/") == "500"


async def test_copies_go_to_guarded_clusters_and_keep_their_host():
    filters = [
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "next", "port": 8000}, "percent": 25}},
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "nobody", "port": 8000}}},
    ]
    plane = await plane_of(mesh(of_web("r", rule_to("web", filters=filters))))
    outcome = ask(plane.render(SLEEP), "GET http://web:8000/")
    assert brief(outcome) == "web; next 25 %"
    (copy,) = outcome.action.mirrors  # type: ignore[union-attr]
    assert copy.cluster == "mirror|8000||next.default.svc.cluster.local"
    assert copy.authority in {"", "web:8000"}, "no -shadow"
    assert [f.reason for f in plane.findings.all()] == ["BackendNotFound"]


async def test_hostnames_say_nothing_at_a_service():
    text = mesh(of_web("r", rule_to("next"), hostnames=["other.example.com"]))
    assert await answer(text, "GET http://web:8000/") == "next"
    assert await told(text) == ["HostnamesIgnored spec.hostnames"]


async def test_rules_of_all_routes_of_a_service_are_ordered_by_precision_and_age():
    older = of_web("b", send("next"), send("old", path("/x", "Exact")), created="2020-01-01T00:00:00Z")
    newer = of_web("a", send("web"), send("web", path("/x")), parent={"port": 8000}, created="2021-01-01T00:00:00Z")
    served = await rendered(mesh(older, newer))
    assert [brief(ask(served, f"GET http://web:8000{p}")) for p in ("/", "/x", "/x/y")] == ["next", "old", "web"]
    assert brief(ask(served, "GET http://web:8080/x/y")) == "next", "the newer one is for the other port"


async def test_a_consumers_routes_stand_for_the_producers_in_its_namespace_alone():
    routes = [of_web("p", send("next"), send("next", path("/p"))), consumer("c", send("old", path("/c")))]
    request = "GET http://web.default:8000"
    for text in (mesh(*routes), mesh(*reversed(routes))):
        assert [await answer(text, request + p, SHOPPER) for p in ("/c", "/p", "/")] == ["old", "404", "404"]
        assert [await answer(text, request + p) for p in ("/c", "/p", "/")] == ["next", "next", "next"]
        assert await told(text) == []
    merged = mesh(*routes, consumer("d", send("web", path("/c", "Exact"))))
    assert [await answer(merged, request + p, SHOPPER) for p in ("/c", "/c/d")] == ["web", "old"]
    elsewhere = msgspec.structs.replace(SHOPPER, namespace="third")
    assert await answer(mesh(routes[1]), f"{request}/", elsewhere) == "web"


async def test_a_consumer_that_may_not_see_the_service_is_reported():
    hidden = doc("Service", "web", {"ports": PORTS}, "v1", annotations={"networking.istio.io/exportTo": "."})
    assert await told("---\n".join([hidden, consumer("c", {})])) == ["NoMatchingParent spec.parentRefs[0]"]


async def test_redirects_take_the_port_of_the_service_for_the_listeners():
    def moved(**spec: Any) -> str:
        return of_web("r", {"filters": [{"type": "RequestRedirect", "requestRedirect": spec}]})

    request = "GET http://web:8080/a"
    assert await answer(mesh(moved(hostname="x.example.com")), request) == "302 http://x.example.com:8080/a"
    assert await answer(mesh(moved(hostname="x.example.com", scheme="https")), request) == "302 https://x.example.com/a"
    assert await answer(mesh(moved(scheme="https")), request) == "302 https://web:443/a", (
        "the port is not the called one"
    )
    assert await answer(mesh(moved(scheme="https")), request, INSIDE, WEB) == "302 https://web:443/a", (
        "the port is not the called one"
    )
    assert await answer(mesh(moved(port=1234, statusCode=301)), request) == "301 http://web:1234/a"


ISTIOS = {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "old"}}]}]}
SUBSET_ONLY = {"hosts": ["web"], "http": [{**ISTIOS["http"][0], "match": [{"sourceLabels": {"app": "other"}}]}]}
WILD = {"hosts": ["*.default.svc.cluster.local"], "http": ISTIOS["http"]}


@pytest.mark.parametrize(
    ("spec", "expected", "accepted"),
    [
        (ISTIOS, "old", True),
        (SUBSET_ONLY, "next", True),
        (WILD, "next", False),
        ({**ISTIOS, "exportTo": ["x"]}, "next", False),
    ],
)
async def test_istios_rules_for_a_host_win_over_routes_of_the_service(
    spec: dict[str, Any], expected: str, accepted: bool
):
    text = mesh(of_web("r", rule_to("next")), doc("VirtualService", "v", spec, "networking.istio.io/v1"))
    assert await answer(text, "GET http://web:8000/") == expected
    assert ("HostTaken spec.parentRefs[0]" in await told(text)) == accepted


async def test_a_consumers_routes_go_before_istios_rules_for_everybody():
    text = mesh(consumer("c", send("next")), doc("VirtualService", "v", ISTIOS, "networking.istio.io/v1"))
    assert await answer(text, "GET http://web.default:8000/", SHOPPER) == "next"
    assert await answer(text, "GET http://web.default:8000/") == "old"
    assert await told(text) == []


async def test_a_sidecar_limits_which_routes_hold_and_what_they_lead_to_is_imported():
    def limits(*hosts: str) -> str:
        return doc("Sidecar", "s", {"egress": [{"hosts": list(hosts)}]}, "networking.istio.io/v1")

    text = mesh(of_web("r", rule_to("next")), limits("./web.default.svc.cluster.local"))
    served = await rendered(text)
    assert brief(ask(served, "GET http://web:8000/")) == "next"
    assert brief(ask(served, "GET http://next:8000/")) != "next", "imported only for the rules"
    manifest = limits("./next.default.svc.cluster.local", "./old.default.svc.cluster.local")
    outcome = ask(await rendered(mesh(of_web("r", rule_to("next")), manifest)), "GET http://web:8000/")
    assert outcome.virtual_host == "allow_any", "nobody here knows web"


async def test_a_service_that_is_not_exported_has_no_routes_elsewhere():
    spec = {"ports": [{"name": "http", "port": 80}]}
    hidden = doc("Service", "web", spec, "v1", annotations={"networking.istio.io/exportTo": "."})
    text = "---\n".join([hidden, doc("Service", "open", spec, "v1"), of_web("r", rule_to("open"))])
    outcome = ask(await rendered(text, SHOPPER), "GET http://web.default.svc.cluster.local/")
    assert outcome.virtual_host == "allow_any"
    assert ask(await rendered(text), "GET http://web/").virtual_host == "web.default.svc.cluster.local:80"


ORIGINAL_DST = [
    ("web", WEB, "/a", "next"),
    ("web", WEB, "/b", "404"),
    ("anything.example.com", WEB, "/a", "next"),
    ("next", WEB, "/a", "next"),
    ("old", WEB, "/b", "404"),
    ("web", NEXT, "/a", "PassthroughCluster"),
    ("next", NEXT, "/a", "next"),
    (POD, POD, "/a", "PassthroughCluster"),
    ("web", POD, "/b", "PassthroughCluster"),
]


@pytest.mark.parametrize(("host", "address", "url", "expected"), ORIGINAL_DST)
async def test_with_interception_what_was_dialled_decides_and_not_the_host(
    host: str, address: str, url: str, expected: str
):
    text = mesh(of_web("r", rule_to("next", path("/a"))))
    assert await answer(text, f"GET http://{host}:8000{url}", INSIDE, address) == expected


async def test_with_interception_connections_from_before_a_route_obey_it_too():
    """They stay on the listener of the port, where the services of all are told apart by Host."""
    before, text = await rendered(mesh(), INSIDE), mesh(of_web("r", rule_to("next", path("/a"))))
    served = (await rendered(text, INSIDE)).resources
    old = {**served, LISTENER: before.of_type(LISTENER)}
    for url, address, expected in (("a", WEB, "next"), ("b", WEB, "404"), ("a", NEXT, "PassthroughCluster")):
        remaining = msgspec.structs.replace(before, resources=old)
        assert brief(ask(remaining, f"GET http://web:8000/{url}", address=address)) == expected


async def test_with_interception_a_service_has_listeners_of_its_own_only_where_routes_hold():
    names = {"0.0.0.0_8000", f"{WEB}_8000", f"{WEB}_8080", f"{NEXT}_8000"}
    plain = (await rendered(mesh(), INSIDE)).of_type(LISTENER).keys()
    routed = await rendered(mesh(of_web("r", rule_to("next"), parent={"port": 8080})), INSIDE)
    assert names & plain == {"0.0.0.0_8000"}
    assert names & routed.of_type(LISTENER).keys() == {"0.0.0.0_8000", f"{WEB}_8080"}
    assert "web.default.svc.cluster.local:8080" in routed.of_type(ROUTE)


async def test_with_interception_istios_rules_still_match_by_host():
    text = mesh(of_web("r", rule_to("next")), doc("VirtualService", "v", ISTIOS, "networking.istio.io/v1"))
    assert await answer(text, "GET http://web:8000/", INSIDE, WEB) == "old"
    assert await answer(text, "GET http://next:8000/", INSIDE, WEB) == "next"


async def test_a_service_with_two_addresses_is_meant_by_both():
    text = mesh(of_web("r", rule_to("next")), clusterIPs=[WEB, "fd00::1"])
    served = await rendered(text, INSIDE)
    assert {f"{WEB}_8000", "fd00::1_8000"} <= served.of_type(LISTENER).keys()
    for address in (WEB, "fd00::1"):
        assert brief(ask(served, "GET http://any:8000/", address=address)) == "next"


async def test_the_same_route_serves_at_a_gateway_and_in_the_mesh():
    text = mesh(gateway({}), route("r", rule_to("next"), parents=[{}, SERVICE], hostnames=["any.example.com"]))
    edge = Proxy("router", "edge", "default", labels={"gateway.networking.k8s.io/gateway-name": "edge"})
    assert await answer(text, "GET http://any.example.com/", edge) == "next"
    assert await answer(text, "GET http://web:8000/") == "next"
    assert await told(text) == []
