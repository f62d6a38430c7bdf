"""Random Sidecars for random worlds."""

import random
from collections.abc import Sequence
from typing import Any

WHERE = ("*", "*", ".", "default", "prod", "~", "~prod")
WHAT = ("*", "*", "*.local", "*.default.svc.cluster.local", "a.default.svc.cluster.local", "*.example.com")
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


def limits(dice: random.Random, known: Sequence[str]) -> dict[str, Any]:
    """Return the spec of a Sidecar, which is refused now and then."""
    ports = dice.sample((80, 8000, 443, 3306), dice.randint(0, 2))
    found: dict[str, Any] = {"egress": [*(_listener(dice, known, port) for port in ports), _listener(dice, known, 0)]}
    if dice.random() < 0.3:
        found["workloadSelector"] = {"labels": {"app": dice.choice(("sleep", "web", "a"))}}
    if dice.random() < 0.6:
        found["outboundTrafficPolicy"] = dice.choice(POLICIES)
    if dice.random() < 0.3:
        found["inboundConnectionPool"] = dice.choice(POOLS)
    if dice.random() < 0.3:
        found["ingress"] = [_entry(dice, port) for port in dice.sample((8080, 9090, 7000), 2)]
    return found


def _listener(dice: random.Random, known: Sequence[str], port: int) -> dict[str, Any]:
    hosts = [f"{dice.choice(WHERE)}/{dice.choice((*WHAT, dice.choice(known)))}" for _ in range(dice.randint(1, 3))]
    said: dict[str, Any] = {"hosts": [host for host in hosts if "." in host or host.endswith("*")] or ["*/*"]}
    if port:
        said["port"] = {"number": port, "protocol": dice.choice(("HTTP", "TCP", "TLS", "GRPC"))}
    if port and dice.random() < 0.3:
        said |= {"captureMode": "NONE", "bind": f"127.9.{dice.randrange(256)}.{dice.randrange(1, 255)}"}
    return said


def _entry(dice: random.Random, port: int) -> dict[str, Any]:
    said: dict[str, Any] = {"port": {"number": port, "protocol": dice.choice(("HTTP", "TCP", "TLS", "GRPC"))}}
    if endpoint := dice.choice(ENDPOINTS):
        said["defaultEndpoint"] = endpoint
    return {**said, "connectionPool": dice.choice(POOLS)} if dice.random() < 0.5 else said
