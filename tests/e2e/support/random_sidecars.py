"""Random Sidecars."""

import random
from collections.abc import Sequence
from typing import Any

NAMESPACE_PATTERNS = ("*", "*", ".", "default", "prod", "~", "~prod")
HOST_PATTERNS = ("*", "*", "*.local", "*.default.svc.cluster.local", "a.default.svc.cluster.local", "*.example.com")
POLICIES = (
    {"mode": "REGISTRY_ONLY"},
    {"mode": "ALLOW_ANY"},
    {"mode": "ALLOW_ANY", "egressProxy": {"host": "a.default.svc.cluster.local", "port": {"number": 80}}},
)
POOLS = (
    {"tcp": {"maxConnections": 7, "idleTimeout": "3s", "maxConnectionDuration": "1h"}},
    {"http": {"http1MaxPendingRequests": 1, "maxRequestsPerConnection": 2, "idleTimeout": "1s"}},
)
ENDPOINTS = ("127.0.0.1:8080", "0.0.0.0:8080", "[::1]:8080", "")


def sidecar_spec(dice: random.Random, services: Sequence[str]) -> dict[str, Any]:
    """Return the spec of a Sidecar, which validation rejects now and then."""
    ports = dice.sample((80, 8000, 443, 3306), dice.randint(0, 2))
    spec: dict[str, Any] = {
        "egress": [*(_listener(dice, services, port) for port in ports), _listener(dice, services, 0)]
    }
    if dice.random() < 0.3:
        spec["workloadSelector"] = {"labels": {"app": dice.choice(("sleep", "web", "a"))}}
    if dice.random() < 0.6:
        spec["outboundTrafficPolicy"] = dice.choice(POLICIES)
    if dice.random() < 0.3:
        spec["inboundConnectionPool"] = dice.choice(POOLS)
    if dice.random() < 0.3:
        spec["ingress"] = [_entry(dice, port) for port in dice.sample((8080, 9090, 7000), 2)]
    return spec


def _listener(dice: random.Random, services: Sequence[str], port: int) -> dict[str, Any]:
    hosts = [
        f"{dice.choice(NAMESPACE_PATTERNS)}/{dice.choice((*HOST_PATTERNS, dice.choice(services)))}"
        for _ in range(dice.randint(1, 3))
    ]
    spec: dict[str, Any] = {"hosts": [host for host in hosts if "." in host or host.endswith("*")] or ["*/*"]}
    if port:
        spec["port"] = {"number": port, "protocol": dice.choice(("HTTP", "TCP", "TLS", "GRPC"))}
    if port and dice.random() < 0.3:
        spec |= {"captureMode": "NONE", "bind": f"127.9.{dice.randrange(256)}.{dice.randrange(1, 255)}"}
    return spec


def _entry(dice: random.Random, port: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"port": {"number": port, "protocol": dice.choice(("HTTP", "TCP", "TLS", "GRPC"))}}
    if endpoint := dice.choice(ENDPOINTS):
        spec["defaultEndpoint"] = endpoint
    return {**spec, "connectionPool": dice.choice(POOLS)} if dice.random() < 0.5 else spec
