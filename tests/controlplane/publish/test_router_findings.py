"""What a connected router cannot serve is a finding at once, whatever changed: it, an object, or its identity."""

import asyncio
import logging
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
import trustme

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.query.statuses import status_rows
from mirrorplane.controlplane.settings import Address
from tests.builders import objects, plane_of

ROUTER = Proxy("router", "edge", "default", ip="127.0.0.9", labels={"app": "edge"})
PROVED = msgspec.structs.replace(ROUTER, identity="spiffe://cluster.local/ns/default/sa/edge")
ISSUED = trustme.CA().issue_cert("web.example.com")
CHAIN, KEY = (b64encode(pem.bytes()).decode() for pem in (ISSUED.cert_chain_pems[0], ISSUED.private_key_pem))
SECRET = f"""
apiVersion: v1
kind: Secret
metadata: {{name: web}}
type: kubernetes.io/tls
data: {{tls.crt: {CHAIN}, tls.key: {KEY}}}
"""
PLAIN = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {app: edge}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}
"""
HTTPS = PLAIN.replace(
    "}, hosts: [\"*\"]}]",
    '}, hosts: ["*"]}, {port: {number: 8443, name: https, protocol: HTTPS}, hosts: ["*"],'
    " tls: {mode: SIMPLE, credentialName: web}}]",
)  # fmt: skip
UPSTREAM = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: https, protocol: HTTPS}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec: {host: api.example.com, trafficPolicy: {tls: {mode: MUTUAL, credentialName: web}}}
"""


def reported(plane: Plane) -> list[str]:
    findings = plane.findings.all()
    reasons = {"ListenerNotOpened", "CredentialNotSent", "CredentialNotFound"}
    return [f"{f.severity.value} {f.reason} {f.about} {f.path}" for f in findings if f.reason in reasons]


async def apply(plane: Plane, text: str) -> None:
    for obj in objects(text):
        plane.store.apply(obj.ref, obj)
    await plane.publish()


async def test_a_server_added_to_a_router_without_identity_is_reported_until_it_leaves():
    plane = await plane_of("\n---\n".join((PLAIN, SECRET)))
    detach = plane.publisher.attach(ROUTER, lambda _: None)
    await plane.publish()
    assert reported(plane) == []
    await apply(plane, HTTPS)
    assert reported(plane) == ["error ListenerNotOpened Gateway default/edge spec.servers[1]"]
    [finding] = [f for f in plane.findings.all() if f.reason == "ListenerNotOpened"]
    assert finding.message == (
        "no listener on port 8443 at routers of namespace default: the router is not authenticated, and Secrets are "
        "sent only to authenticated routers"
    )
    assert "--jwks" in finding.fix
    [row] = [row for row in status_rows(plane, (), []) if row.kind == "Gateway"]
    assert [(c["type"], c["status"], c["reason"]) for c in row.status["conditions"]] == [
        ("Accepted", "True", "Accepted"),
        ("ResolvedRefs", "True", "ResolvedRefs"),
        ("Programmed", "False", "ListenerNotOpened"),
    ]
    detach()
    assert reported(plane) == []


async def test_a_router_that_has_proved_its_identity_is_not_reported():
    plane = await plane_of("\n---\n".join((HTTPS, SECRET, UPSTREAM)))
    plane.publisher.attach(PROVED, lambda _: None)
    await plane.publish()
    assert reported(plane) == [
        "warning CredentialNotSent DestinationRule default/api spec.trafficPolicy.tls.credentialName"
    ]


async def test_a_destination_rule_whose_secret_a_router_does_not_get_is_reported():
    plane = await plane_of("\n---\n".join((PLAIN, SECRET, UPSTREAM)))
    plane.publisher.attach(ROUTER, lambda _: None)
    await plane.publish()
    assert "error CredentialNotSent DestinationRule default/api spec.trafficPolicy" in reported(plane)


async def test_what_a_check_has_found_is_not_reported_again():
    plane = await plane_of(HTTPS)
    plane.publisher.attach(PROVED, lambda _: None)
    await plane.publish()
    assert reported(plane) == ["error CredentialNotFound Gateway default/edge spec.servers[1].tls.credentialName"]


async def test_a_port_that_an_unprivileged_router_cannot_open_is_reported():
    plane = await plane_of(PLAIN.replace("8080", "80"))
    plane.publisher.attach(msgspec.structs.replace(ROUTER, unprivileged=True), lambda _: None)
    await plane.publish()
    assert reported(plane) == ["error ListenerNotOpened Gateway default/edge spec.servers[0]"]


async def test_the_log_tells_of_a_router_that_connects_without_a_batch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    (tmp_path / "mesh.yaml").write_text("\n---\n".join((HTTPS, SECRET)))
    app = App(ServeOptions((tmp_path,), Address("127.0.0.1", 0), Address("127.0.0.1", 0)))
    await app.start()
    following = asyncio.create_task(app.run())
    try:
        detach = app.plane.publisher.attach(ROUTER, lambda _: None)
        async with asyncio.timeout(60):
            while "error ListenerNotOpened" not in caplog.text:
                await asyncio.sleep(0.01)
        detach()
        async with asyncio.timeout(60):
            while "resolved: " not in caplog.text:
                await asyncio.sleep(0.01)
    finally:
        app.stop()
        await following
        await app.close()


async def test_a_bug_in_the_check_of_routers_keeps_nothing_from_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("mirrorplane.translators.routers.findings.unserved_servers", lambda *_: 1 / 0)
    plane = await plane_of("\n---\n".join((HTTPS, SECRET)))
    offers: list[object] = []
    plane.publisher.attach(PROVED, offers.append)
    await apply(plane, PLAIN)
    assert len(offers) == 2
    assert "checking what proxies" in caplog.text
