"""Gateways that share a certificate: a client that reuses a connection asks one for the hosts of the other."""

import pytest

from tests.builders import plane_of

ONE = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: NAME}
spec:
  selector: {app: edge}
  servers:
  - {port: {number: PORT, name: https, protocol: HTTPS}, hosts: [NAME.example.com], tls: {mode: SIMPLE, TLS}}
"""
WILDCARD = "credentialName: wildcard"
FILES = "serverCertificate: /etc/a.crt, privateKey: /etc/a.key"


def https_gateway(name: str, tls: str = WILDCARD, port: int = 443) -> str:
    return ONE.replace("NAME", name).replace("PORT", str(port)).replace("TLS}", f"{tls}}}")


async def reported(*gateways: str) -> list[str]:
    plane = await plane_of("".join(gateways))
    return [f"{f.about.name} {f.path}" for f in plane.findings.all() if f.reason == "SharedCertificate"]


async def test_each_of_the_gateways_is_reported_once_however_many_there_are():
    field = "spec.servers[0].tls.credentialName"
    three = [https_gateway(name) for name in "abc"]
    assert await reported(*three) == [f"a {field}", f"b {field}", f"c {field}"]


async def test_certificates_in_files_count_too():
    assert await reported(https_gateway("a", FILES), https_gateway("b", FILES)) == [
        "a spec.servers[0].tls",
        "b spec.servers[0].tls",
    ]


@pytest.mark.parametrize(
    "other",
    [
        https_gateway("b", "credentialName: own"),
        https_gateway("b", port=8443),
        https_gateway("b").replace("app: edge", "app: inner"),
    ],
    ids=["another certificate", "another port", "other routers"],
)
async def test_gateways_that_no_connection_can_be_shared_by_are_not_reported(other: str):
    assert await reported(https_gateway("a"), other) == []


async def test_servers_of_one_gateway_are_its_authors_choice():
    assert await reported(https_gateway("a")) == []
