"""Retries, timeouts, sessions, origins, authorisation, filters of other APIs: what routes come to, and what is told."""

from typing import Any

import pytest

from mirrorplane.api.resource import CLUSTER, ROUTE
from tests.builders import decoded, plane_of, rendered
from tests.gateway_conditions import ACCEPTED, refused, statuses, unresolved
from tests.gateway_conditions import brief as conditions
from tests.gateway_manifests import EDGE, doc, gateway, path, route, rule_to, services
from tests.traffic_language import ask, brief

GET = "GET http://web.example.com/"


async def route_of(rule: dict[str, Any], *more: str) -> dict[str, Any]:
    """The last of the routes that a rule becomes."""
    text = "---\n".join([gateway({}), route("web", rule), services("web", "other", "guard"), *more])
    (configuration,) = decoded(await rendered(text, EDGE), ROUTE).values()
    (host,) = configuration["virtual_hosts"]
    last: dict[str, Any] = host["routes"][-1]
    return last


LOST = "connect-failure,refused-stream,reset"
RETRIES = [
    ({}, {"num_retries": 0}, "0s"),
    ({"retry": {}}, {"num_retries": 2, "retry_on": LOST}, "0s"),
    ({"retry": {"attempts": 0, "codes": [500]}}, {"num_retries": 0}, "0s"),
    (
        {"retry": {"attempts": 3, "codes": [500], "backoff": "50ms"}},
        {
            "num_retries": 3,
            "retry_on": f"{LOST},retriable-status-codes",
            "retriable_status_codes": [500],
            "retry_back_off": {"base_interval": "0.050s"},
        },
        "0s",
    ),
    (
        {"retry": {"attempts": 1}, "timeouts": {"request": "2s", "backendRequest": "1s"}},
        {"num_retries": 1, "retry_on": LOST, "per_try_timeout": "1s"},
        "2s",
    ),
    (
        {"retry": {"attempts": 1}, "timeouts": {"backendRequest": "1s"}},
        {"num_retries": 1, "retry_on": LOST, "per_try_timeout": "1s"},
        "0s",
    ),
    ({"retry": {"attempts": 1}, "timeouts": {"request": "1s", "backendRequest": "0s"}},
     {"num_retries": 1, "retry_on": LOST}, "1s"),
    ({"retry": {"attempts": 0}, "timeouts": {"backendRequest": "1s"}}, {"num_retries": 0}, "1s"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "policy", "takes"), RETRIES)
async def test_nothing_is_tried_again_unless_the_rule_says_so(spec: dict[str, Any], policy: dict[str, Any], takes: str):
    mesh = {"defaultHttpRetryPolicy": {"attempts": 7}}
    action = (await route_of(rule_to("web", **spec), doc("MeshConfig", "default", mesh, "mirrorplane.io/v1alpha1")))[
        "route"
    ]
    elsewhere = {"retry_host_predicate", "host_selection_retry_max_attempts"}
    policy_fields = {key: value for key, value in action["retry_policy"].items() if key not in elsewhere}
    assert ({key: str(value) for key, value in policy_fields.items()}, action["timeout"]) == (
        {key: str(value) for key, value in policy.items()},
        takes,
    )


COOKIE = "envoy.http.stateful_session.cookie"
SESSIONS = [
    ({"cookie": {"name": "sid"}}, {"cookie": {"name": "sid", "path": "/"}}),
    ({"sessionName": "sid", "cookieConfig": {}}, {"cookie": {"name": "sid", "path": "/"}}),
    ({}, {"cookie": {"name": "session-default-web-0", "path": "/"}}),
    (
        {"absoluteTimeout": "1h", "cookie": {"name": "sid", "path": "/a", "lifetimeType": "Permanent"}},
        {"cookie": {"name": "sid", "ttl": "3600s", "path": "/a"}},
    ),
    ({"type": "Header", "header": {"name": "x-session"}}, {"name": "x-session"}),
    ({"type": "Header", "sessionName": "x-session"}, {"name": "x-session"}),
]


@pytest.mark.parametrize(("spec", "state"), SESSIONS)
async def test_sessions_are_identified_by_a_cookie_or_a_header(spec: dict[str, Any], state: dict[str, Any]):
    served_route = await route_of(rule_to("web", sessionPersistence=spec))
    config = served_route["typed_per_filter_config"]["envoy.filters.http.stateful_session"]
    session_state = config["stateful_session"]["session_state"]["typed_config"]
    assert {key: value for key, value in session_state.items() if key != "@type"} == state


def cors(**spec: Any) -> dict[str, Any]:
    return {"type": "CORS", "cors": spec}


ORIGINS = [
    ("*", ["https://a.b", "http://a.b:1234", "null"], []),
    ("https://www.foo.com", ["https://www.foo.com", "https://www.foo.com:443"],
     ["http://www.foo.com", "https://foo.com", "https://www.foo.com:8443", "https://wwwxfoo.com"]),
    ("http://www.foo.com:8080", ["http://www.foo.com:8080"], ["http://www.foo.com", "http://www.foo.com:80"]),
    ("https://*.bar.com", ["https://www.bar.com", "https://a.b.bar.com"],
     ["https://bar.com", "https://bar.com.evil", "https://x/.bar.com", "https://www.bar.com:8443"]),
    ("https://*", ["https://any.example", "https://[::1]"], ["http://any.example", "https://any.example:8443"]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "accepted", "refused"), ORIGINS)
async def test_preflights_of_origins_that_are_not_allowed_learn_nothing(
    spec: str, accepted: list[str], refused: list[str]
):
    rule = rule_to("web", filters=[cors(allowOrigins=[spec])])
    served = await rendered("---\n".join([gateway({}), route("web", rule), services("web")]), EDGE)
    asks = {"access-control-request-method": "PUT"}
    for origin in (*accepted, *refused):
        outcome = ask(served, "OPTIONS http://web.example.com/", {"origin": origin, **asks})
        assert brief(outcome) == ("403" if origin in refused else "200"), origin
        assert brief(ask(served, GET, {"origin": origin, **asks})) == "web", "only preflights are answered"
        assert brief(ask(served, "OPTIONS http://web.example.com/", {"origin": origin})) == "web"


GUARD = {"backendRef": {"name": "guard", "port": 8000}}
MISSING = {"backendRef": {"name": "missing", "port": 8000}}
ELSEWHERE = {"backendRef": {"name": "guard", "namespace": "shop", "port": 8000}}
UNRESOLVED = [
    ({"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "http": {}, **MISSING}}, "BackendNotFound",
     "externalAuth.backendRef.name"),
    ({"type": "ExternalAuth", "externalAuth": {"protocol": "GRPC", "grpc": {}, **ELSEWHERE}}, "RefNotPermitted",
     "externalAuth.backendRef.namespace"),
    ({"type": "ExtensionRef", "extensionRef": {"group": "example.com", "kind": "Sieve", "name": "fine"}},
     "InvalidKind", "extensionRef"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "reason", "field"), UNRESOLVED)
async def test_a_filter_that_cannot_be_done_is_not_left_out(spec: dict[str, Any], reason: str, field: str):
    text = "---\n".join([gateway({}), route("web", rule_to("web", filters=[spec])), services("web")])
    plane = await plane_of(text)
    assert brief(ask(plane.render(EDGE), GET)) == "500"
    assert [(f.reason, f.path) for f in plane.findings.all()] == [(reason, f"spec.rules[0].filters[0].{field}")]


@pytest.mark.parametrize(
    ("protocol", "cluster"),
    [
        ("HTTP", "outbound|8000||guard.default.svc.cluster.local"),
        ("GRPC", "http2|8000||guard.default.svc.cluster.local"),
    ],
)
async def test_the_authorization_server_is_configured_on_the_route(protocol: str, cluster: str):
    spec = {"type": "ExternalAuth", "externalAuth": {"protocol": protocol, protocol.lower(): {}, **GUARD}}
    served_route = await route_of(rule_to("web", path("/a"), filters=[spec]))
    assert cluster in str(served_route["typed_per_filter_config"]["envoy.filters.http.match_delegate"])


PROTOCOLS = [
    ("kubernetes.io/h2c", "web"),
    ("kubernetes.io/ws", "web"),
    ("kubernetes.io/wss", "500"),
    ("http", "web"),
    ("https", "web"),
    ("redis", "500"),
    ("example.com/own", "500"),
]


@pytest.mark.parametrize(("spec", "expected"), PROTOCOLS)
async def test_the_app_protocol_of_a_port_must_be_supported(spec: str, expected: str):
    ports = [{"name": "http", "port": 8000, "appProtocol": spec}]
    manifest = doc("Service", "web", {"ports": ports}, "v1")
    plane = await plane_of("---\n".join([gateway({}), route("web", rule_to("web")), services("web"), manifest]))
    assert brief(ask(plane.render(EDGE), GET)).split(" ")[0] == expected
    reasons = [f.reason for f in plane.findings.all() if f.severity.value == "error"]
    assert reasons == ([] if expected == "web" else ["UnsupportedProtocol"])


async def test_web_sockets_by_tls_need_a_tls_policy():
    ports = [{"name": "http", "port": 8000, "appProtocol": "kubernetes.io/wss"}]
    target = {"group": "", "kind": "Service", "name": "web"}
    validation = {"hostname": "web.example.com", "wellKnownCACertificates": "System"}
    policy = doc("BackendTLSPolicy", "web", {"targetRefs": [target], "validation": validation})
    text = [
        gateway({}),
        route("web", rule_to("web")),
        services("web"),
        doc("Service", "web", {"ports": ports}, "v1"),
    ]
    assert brief(ask((await plane_of("---\n".join(text))).render(EDGE), GET)) == "500"
    plane = await plane_of("---\n".join([*text, policy]))
    assert brief(ask(plane.render(EDGE), GET)) == "web"
    assert not [f for f in plane.findings.all() if f.severity.value == "error"]


def sending(**more: Any) -> dict[str, Any]:
    return rule_to("web", path("/b"), **more)


SIEVE = {"type": "ExtensionRef", "extensionRef": {"group": "example.com", "kind": "Sieve", "name": "fine"}}
AT_BACKEND = {"backendRefs": [{"name": "web", "port": 8000, "filters": [cors(allowOrigins=["*"])]}]}
CONDITIONS = [
    ((sending(filters=[SIEVE]),), unresolved("InvalidKind")),
    ((sending(filters=[UNRESOLVED[0][0]]),), unresolved("BackendNotFound")),
    ((sending(filters=[UNRESOLVED[1][0]]),), unresolved("RefNotPermitted")),
    ((sending(filters=[cors(exposeHeaders=["*"], allowCredentials=True)]),), ACCEPTED),
    ((sending(sessionPersistence={"idleTimeout": "1m"}),), ACCEPTED),
    ((rule_to("web", path("/a"), **AT_BACKEND), sending()), {**ACCEPTED, "PartiallyInvalid": "UnsupportedValue"}),
    ((rule_to("web", path("/a"), **AT_BACKEND),), refused("UnsupportedValue")),
]


@pytest.mark.parametrize(("rules", "expected"), CONDITIONS)
async def test_what_is_wrong_with_filters_is_in_the_status(rules: tuple[dict[str, Any], ...], expected: dict[str, str]):
    status = await statuses(gateway({}), route("web", *rules), services("web"))
    (parent,) = status["HTTPRoute web"]["parents"]
    assert conditions(parent) == expected


@pytest.mark.parametrize(("protocol", "name"), [("HTTP", "outbound"), ("GRPC", "http2")])
async def test_the_authorization_server_is_known_to_clients_that_import_little(protocol: str, name: str):
    auth = {"type": "ExternalAuth", "externalAuth": {"protocol": protocol, protocol.lower(): {}, **GUARD}}
    spec = {
        "parentRefs": [{"group": "", "kind": "Service", "name": "web"}],
        "rules": [rule_to("web", filters=[auth])],
    }
    little = {"egress": [{"hosts": ["./web.default.svc.cluster.local"]}]}
    sidecar = doc("Sidecar", "default", little, "networking.istio.io/v1")
    text = "---\n".join([doc("HTTPRoute", "web", spec), sidecar, services("web", "guard", "other")])
    resources = (await rendered(text)).of_type(CLUSTER)
    assert f"{name}|8000||guard.default.svc.cluster.local" in resources
    assert "outbound|8000||other.default.svc.cluster.local" not in resources
