"""Which findings `explain` shows for a request: of the rule that applies, and of policies that nothing enforces."""

import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.tracing import Request
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.query.explanation import trace
from mirrorplane.controlplane.query.related_findings import related_findings
from mirrorplane.translators.matching.decoded import decode_resources
from tests.builders import SLEEP, plane_of

WORLD = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: prod, labels: {team: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: prod, labels: {app: web, version: v1}}
spec: {containers: []}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Service
metadata: {name: shadow, namespace: prod}
spec: {selector: {app: shadow}, ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: prod, labels: {tier: edge}}
spec: {gatewayClassName: ours, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: mirrorplane.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: prod}
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches: [{path: {value: /a}}]
    filters: [{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}}}]
    backendRefs: [{name: web, port: 80}]
  - backendRefs: [{name: shadow, port: 80}]
---
"""
ROUTER = Proxy("router", "edge", "prod", labels={"gateway.networking.k8s.io/gateway-name": "edge"})
GATEWAY_API = "group: gateway.networking.k8s.io"
GATEWAYS = f"{{{GATEWAY_API}, kind: Gateway, matchLabels"
OF_EDGE = ", selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: edge}}"


def policy(namespace: str, spec: str, kind: str = "AuthorizationPolicy", group: str = "security.istio.io/v1") -> str:
    text = f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: policy, namespace: {namespace}}}\n"
    return f"{text}spec: {{{spec}}}\n---\n"


def security_policy(target: str) -> str:
    return policy("prod", f"jwt: {{providers: [x]}}, {target}", "SecurityPolicy", "gateway.envoyproxy.io/v1alpha1")


def deny(selection: str) -> str:
    return f"action: DENY, rules: [{{}}]{selection}"


def findings_of(plane: Plane, proxy: Proxy, path: str = "/a") -> list[str]:
    """The reasons and objects that matter to a request for web."""
    port = 8080 if proxy is ROUTER else 80
    request = Request(authority="web.prod", path=path, method="GET", port=port)
    outcome = trace(plane, proxy, decode_resources(plane.render(proxy)), request, "web.prod")
    return [f"{finding.reason} {finding.about}" for finding in related_findings(plane, proxy, outcome)]


@pytest.mark.parametrize(
    ("proxy", "manifest", "shown"),
    [
        (SLEEP, policy("prod", deny("")), True),
        (SLEEP, policy("prod", deny(", selector: {matchLabels: {version: v1}}")), True),
        (SLEEP, policy("prod", deny(", selector: {matchLabels: {version: v2}}")), False),
        (SLEEP, policy("prod", deny(", targetRefs: [{kind: Service, name: web}]")), True),
        (SLEEP, policy("prod", deny(", targetRefs: [{kind: Service, name: other}]")), False),
        (SLEEP, policy("default", deny("")), False),  # the client's own namespace: the policy is for servers
        (SLEEP, policy("istio-system", deny("")), True),
        (SLEEP, policy("istio-system", deny(", selector: {matchLabels: {app: web}}")), True),
        (ROUTER, policy("prod", deny(OF_EDGE)), True),
        (ROUTER, policy("prod", deny(f", targetRef: {{{GATEWAY_API}, kind: Gateway, name: edge}}")), True),
        (ROUTER, policy("istio-system", deny(f", targetRef: {{{GATEWAY_API}, kind: GatewayClass, name: ours}}")), True),
        (ROUTER, policy("prod", deny(", selector: {matchLabels: {app: shadow}}")), True),  # copies go there
        (ROUTER, security_policy(f"targetRefs: [{{{GATEWAY_API}, kind: HTTPRoute, name: web}}]"), True),
        (ROUTER, security_policy(f"targetSelectors: [{GATEWAYS}: {{tier: edge}}}}]"), True),
        (ROUTER, security_policy(f"targetSelectors: [{GATEWAYS}: {{tier: x}}}}]"), False),
        (SLEEP, security_policy(f"targetRefs: [{{{GATEWAY_API}, kind: HTTPRoute, name: web}}]"), False),
    ],
)  # fmt: skip
async def test_a_policy_that_selects_a_party_of_the_request_is_shown(proxy: Proxy, manifest: str, shown: bool):
    plane = await plane_of(WORLD + manifest)
    policies = [finding for finding in findings_of(plane, proxy) if finding.startswith("NotEnforced")]
    assert bool(policies) is shown


async def test_findings_about_the_rule_that_applies_are_shown_and_those_about_others_are_not():
    gone = WORLD.replace("backendRef: {name: shadow, port: 80}", "backendRef: {name: gone, port: 80}")
    plane = await plane_of(gone)
    assert "BackendNotFound HTTPRoute prod/web" in findings_of(plane, ROUTER, "/a")
    assert "BackendNotFound HTTPRoute prod/web" not in findings_of(plane, ROUTER, "/b")


async def test_a_router_without_identity_says_why_it_has_no_listener():
    https = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure, namespace: prod}
spec:
  selector: {gateway.networking.k8s.io/gateway-name: edge}
  servers: [{port: {number: 8443, name: https, protocol: HTTPS}, hosts: ["*"],
    tls: {mode: SIMPLE, credentialName: web}}]
"""
    plane = await plane_of(WORLD + https)
    request = Request(authority="web.prod", path="/", method="GET", port=8443, tls=True)
    outcome = trace(plane, ROUTER, decode_resources(plane.render(ROUTER)), request, "web.prod")
    assert outcome.listener == ""
    [finding] = related_findings(plane, ROUTER, outcome)
    assert (finding.reason, finding.about.name, finding.path) == ("ListenerNotOpened", "secure", "spec.servers[0]")
    assert "not authenticated" in finding.message


async def test_a_mirror_that_copies_nothing_says_why():
    plane = await plane_of(WORLD)
    assert findings_of(plane, ROUTER, "/a") == ["MirrorHasNoEndpoints HTTPRoute prod/web"]
    never = WORLD.replace("requestMirror: {", "requestMirror: {percent: 0, ")
    assert findings_of(await plane_of(never), ROUTER, "/a") == ["MirrorNeverFires HTTPRoute prod/web"]
