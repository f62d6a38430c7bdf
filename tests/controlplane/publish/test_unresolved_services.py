"""A ServiceEntry of resolution NONE is served by proxies that intercept: who else sees it decides what is reported."""

import msgspec
import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.plane import Plane
from tests.builders import SLEEP, objects, plane_of
from tests.controlplane.commands.command_line import run

WILDCARD = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wide}
spec: {hosts: ["*.example.com"], ports: [{number: 80, name: http, protocol: HTTP}]}
"""
INTERCEPTED = msgspec.structs.replace(SLEEP, name="caught", ip="10.0.0.9", interception="REDIRECT")
ROUTER = Proxy("router", "edge", "default", labels={"app": "edge"})
TO_NONE = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: one}
spec: {hosts: [one.example.com], ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {app: edge}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: GATEWAY}
spec:
  hosts: [one.example.com]
  gateways: [GATEWAY]
  http: [{route: [{destination: {host: one.example.com}}]}]
"""


def reported(plane: Plane) -> list[str]:
    return [f"{f.severity.value} {f.about} {f.message}" for f in plane.findings.all() if f.reason == "NoAddress"]


async def test_only_connected_sidecars_that_do_not_intercept_are_said_not_to_reach_it():
    plane = await plane_of(WILDCARD)
    detach_intercepted = plane.publisher.attach(INTERCEPTED, lambda _: None)
    plane.publisher.attach(ROUTER, lambda _: None)
    await plane.publish()
    assert reported(plane) == []
    detach = plane.publisher.attach(SLEEP, lambda _: None)
    await plane.publish()
    assert reported(plane) == [
        "warning ServiceEntry default/wide resolution NONE has no endpoints: requests go to the address that the client"
        " dialled, which only proxies with interception know; connected sidecars of namespace default, which do not"
        " intercept, answer 503"
    ]
    detach()
    detach_intercepted()
    assert reported(plane) == []


async def test_a_sidecar_that_does_not_see_it_is_not_said_to_miss_it():
    plane = await plane_of(WILDCARD.replace("hosts:", 'exportTo: ["."], hosts:'))
    plane.publisher.attach(msgspec.structs.replace(SLEEP, namespace="other"), lambda _: None)
    await plane.publish()
    assert reported(plane) == []
    [visible] = objects(WILDCARD)
    plane.store.apply(visible.ref, visible)
    await plane.publish()
    assert len(reported(plane)) == 1


@pytest.mark.parametrize(("gateway", "severities"), [("edge", ["error"]), ("mesh", [])])
async def test_a_rule_of_a_gateway_that_sends_there_is_an_error_as_routers_never_intercept(
    gateway: str, severities: list[str]
):
    plane = await plane_of(TO_NONE.replace("GATEWAY", gateway))
    findings = [f for f in plane.findings.all() if f.reason == "NoAddress"]
    assert [finding.severity.value for finding in findings] == severities
    assert {finding.path for finding in findings} <= {"spec.http[0].route[0].destination.host"}


ADVICE = {
    "hosts: [a.example.com]": "set resolution: DNS",
    'hosts: ["*.example.com"]': "list the hosts in place of the wildcard, with resolution: DNS",
    "hosts: [a.example.com], addresses: [10.0.0.0/8]": "list the endpoints, with resolution: STATIC",
}


@pytest.mark.parametrize(("spec", "advice"), ADVICE.items())
def test_check_says_for_which_proxies_and_gives_advice_that_it_does_not_refuse_itself(spec: str, advice: str):
    written = WILDCARD.replace('hosts: ["*.example.com"]', spec)
    outcome = run("check", "-f", "-", stdin=written)
    assert (outcome.returncode, outcome.stdout.count("NoAddress")) == (0, 1)
    assert "only proxies with interception know; others answer 503" in outcome.stdout
    assert f"({advice}, or start the proxies with interception)" in outcome.stdout
    followed = {
        "set resolution: DNS": written.replace("spec: {", "spec: {resolution: DNS, "),
        "list the hosts in place of the wildcard, with resolution: DNS": written.replace(
            "spec: {", "spec: {resolution: DNS, "
        ).replace("*.", "a."),
        "list the endpoints, with resolution: STATIC": written.replace(
            "spec: {", "spec: {resolution: STATIC, endpoints: [{address: 10.1.0.1}], "
        ),
    }[advice]
    assert run("check", "-f", "-", stdin=followed).stdout == ""


def test_advice_for_several_hosts_of_a_protocol_without_host_divides_them():
    written = WILDCARD.replace('"*.example.com"', "a.example.com, b.example.com").replace("HTTP", "TCP")
    assert "write a ServiceEntry for each host, with resolution: DNS" in run("check", "-f", "-", stdin=written).stdout
