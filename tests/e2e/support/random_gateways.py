"""Random Gateways, valid or not. Servers share few ports, hosts and names, so that they collide."""

import random
from typing import Any

PORTS = (443, 18000, 18001, 15443)
HOSTS = (
    *("*", "*.example.com", "api.example.com", "API.example.com", "./api.example.com", "b/*.example.com", "*.com"),
    *("*/b.example.com", "10.0.0.1", "*.b.svc.cluster.local", "~/a.example.com", "short", "default/*"),
)
PROTOCOLS = ("HTTP", "HTTP", "HTTP", "HTTPS", "HTTPS", "HTTPS", "TLS", "TCP", "GRPC", "HTTP2", "MONGO", "UDP")
GATEWAYS = ("g1", "g2", "g3")
NAMED = (*GATEWAYS, "./g1", "default/g2", "b/g1", "istio-system/g3", "mesh", "nowhere", "g1.default.svc.cluster.local")
SECRETS = ("one", "two", "mutual")
"""Of the namespace `default`; `mutual` has a CA."""
TLS: tuple[dict[str, Any], ...] = (
    {"mode": "PASSTHROUGH"},
    {},
    *({"mode": "SIMPLE", "credentialName": name} for name in (*SECRETS, "missing", "default/one", "b/one")),
    {"mode": "SIMPLE", "credentialNames": ["one", "two"]},
    {"mode": "MUTUAL", "credentialName": "mutual", "subjectAltNames": ["spiffe://a", "a.example.com", "10.0.0.1"]},
    {"mode": "OPTIONAL_MUTUAL", "credentialName": "one", "caCertCredentialName": "mutual"},
    {"mode": "MUTUAL", "credentialName": "one"},
    {"mode": "SIMPLE", "credentialName": "one", "cipherSuites": ["AES128-SHA", "nonsense"]},
    {"mode": "SIMPLE", "credentialName": "one", "minProtocolVersion": "TLSV1_3", "httpsRedirect": True},
    {"mode": "SIMPLE", "credentialName": "one", "maxProtocolVersion": "TLSV1_1"},
    {
        "mode": "MUTUAL",
        "credentialName": "mutual",
        "verifyCertificateHash": ["ab" * 32],
        "verifyCertificateSpki": ["x"],
    },
    *({"mode": mode} for mode in ("ISTIO_MUTUAL", "AUTO_PASSTHROUGH", "SIMPLE", "nonsense")),
)


def gateway(dice: random.Random) -> dict[str, Any]:
    """The spec of a Gateway."""
    servers = [server(dice, i) for i in range(dice.randint(1, 4))]
    return {"servers": servers, **({"selector": {"app": "sleep"}} if dice.random() < 0.7 else {})}


def server(dice: random.Random, index: int) -> dict[str, Any]:
    protocol = dice.choice(PROTOCOLS)
    spec: dict[str, Any] = {
        "port": {"number": dice.choice(PORTS), "name": f"p{index}", "protocol": protocol},
        "hosts": dice.sample(HOSTS[:10] if dice.random() < 0.9 else HOSTS, dice.randint(1, 3)),
    }
    if protocol in {"HTTPS", "TLS"}:
        spec["tls"] = dice.choice(TLS)
    elif dice.random() < 0.2:
        spec["tls"] = {"httpsRedirect": True}
    if dice.random() < 0.1:
        spec |= dice.choice(
            [{"name": "named"}, {"defaultEndpoint": "127.0.0.1:80"}, {"bind": "unix:///x"}, {"bind": "x"}]
        )
    return spec
