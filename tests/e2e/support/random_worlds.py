"""Random manifests from small pools of names and ports, so that they collide. Deterministic for a seed."""

import random
from collections.abc import Callable
from typing import Any

from tests import fast_yaml as yaml
from tests.e2e.support import random_gateways
from tests.e2e.support.random_rules import RandomRules
from tests.e2e.support.random_sidecars import sidecar_spec

NAMESPACES = ("default", "b", "prod", "istio-system")
NAMES = ("a", "b", "web", "UPPER", "a.b", "x-1")
HOSTS = (
    *("a", "b", "web", "a.b", "a.default", "a.b.svc", "a.default.svc.cluster.local", "A.b.svc.cluster.local"),
    *("b.prod.svc.cluster.local", "*.b.svc.cluster.local", "*.local", "*.example.com", "api.example.com"),
    *("API.example.com", "api.example.com.", "*.com", "10.0.0.1", "fd00::1", "*.a", "b.example.com"),
)
PORTS = (80, 8000, 8001, 3306, 15080, 443)
PORT_NAMES = ("http", "http-x", "http2", "grpc", "tcp", "tls", "https", "mysql", "udp", "", "foo", "h")
PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "TCP", "TLS", "HTTPS", "MONGO", "UDP", "nonsense")
SUBSETS = ("v1", "v2", "blue")
STRINGS = (
    {"exact": "/a"},
    {"prefix": "/"},
    {"prefix": "/A"},
    {"regex": ".*"},
    {"regex": "/[a-z]+"},
    {},
    {"exact": "ü"},
)
SUBNETS = ("10.0.0.0/8", "10.1.0.0/8", "10.0.0.1", "fd00::/64", "0.0.0.0/0")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "fd00::1", "None", "", "10.3.0.0/16")
PERCENT = (0, 0.0001, 0.1, 12.3456, 50, 99.9999, 100)
WEIGHTS = (0, 1, 10, 90, 100, 100_000, 900_000, 2**31 - 1)
POLICIES: dict[str, tuple[dict[str, Any], ...]] = {
    "loadBalancer": (
        *({"simple": name} for name in ("ROUND_ROBIN", "RANDOM", "PASSTHROUGH")),
        {"simple": "ROUND_ROBIN", "warmup": {"duration": "10s"}},
        {"consistentHash": {"httpHeaderName": "x-a"}},
        {"consistentHash": {"httpCookie": {"name": "c", "ttl": "1s"}, "maglev": {"tableSize": 11}}},
        {"consistentHash": {"useSourceIp": True}},
        {"localityLbSetting": {"distribute": [{"from": "*", "to": {"*": 100}}]}},
        {"localityLbSetting": {"failoverPriority": ["app", "version"]}},
    ),
    "connectionPool": (
        {"tcp": {"maxConnections": 1, "idleTimeout": "1s", "tcpKeepalive": {"time": "1s"}}},
        {"http": {"h2UpgradePolicy": "UPGRADE", "maxConcurrentStreams": 5}},
        {"http": {"useClientProtocol": True, "idleTimeout": "1s", "maxRequestsPerConnection": 1}},
    ),
    "outlierDetection": ({}, {"consecutive5xxErrors": 0}, {"consecutiveGatewayErrors": 1, "minHealthPercent": 50}),
    "tls": (
        *({"mode": mode} for mode in ("DISABLE", "SIMPLE", "ISTIO_MUTUAL")),
        {"mode": "SIMPLE", "sni": "a.example.com", "subjectAltNames": ["a.example.com"]},
        {"mode": "SIMPLE", "insecureSkipVerify": True},
    ),
    "proxyProtocol": ({"version": "V2"},),
    "retryBudget": ({"percent": 0.5},),
}


def random_world(seed: int) -> str:
    """Return a file of 30 manifests, some of which validation rejects."""
    return yaml.safe_dump_all(ManifestWriter(random.Random(seed)).manifests(30), allow_unicode=True, sort_keys=False)


class ManifestWriter:
    """Writes random manifests."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._rules_source = RandomRules(dice)

    def manifests(self, count: int) -> list[dict[str, Any]]:
        kinds: tuple[tuple[str, str, Callable[[], dict[str, Any]]], ...] = (
            *(("v1", "Service", self._service),) * 4,
            *(("networking.istio.io/v1", "ServiceEntry", self._entry),) * 2,
            *(("networking.istio.io/v1beta1", "VirtualService", self._rules),) * 5,
            *(("networking.istio.io/v1alpha3", "DestinationRule", self._policy),) * 2,
            ("networking.istio.io/v1", "WorkloadEntry", self._workload),
            *(("networking.istio.io/v1", "Gateway", lambda: random_gateways.gateway(self._dice)),) * 2,
            ("networking.istio.io/v1", "Sidecar", lambda: sidecar_spec(self._dice, HOSTS)),
        )
        return [self._manifest(i, *self._dice.choice(kinds)) for i in range(count)]

    def _manifest(self, index: int, version: str, kind: str, spec: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        pools = {"Service": NAMES, "Gateway": random_gateways.GATEWAYS}
        name = self._dice.choice(pools[kind]) if kind in pools else f"o{index}"
        labels = {"app": self._dice.choice(NAMES), "version": self._dice.choice(SUBSETS)}
        metadata = {"name": name, "namespace": self._dice.choice(NAMESPACES), "labels": labels}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec()}

    def _service(self) -> dict[str, Any]:
        numbers = self._sample(PORTS, 3)
        ports = [{"port": n, "name": f"{self._dice.choice(PORT_NAMES)}-{i}".lstrip("-")} for i, n in enumerate(numbers)]
        return {
            "ports": ports,
            "clusterIP": self._dice.choice(ADDRESSES[:-1]),
            "selector": {"app": self._dice.choice(NAMES)},
        }

    def _entry(self) -> dict[str, Any]:
        resolution = self._dice.choice(["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"])
        ports = [
            {"number": n, "name": f"p{i}", "protocol": self._dice.choice(PROTOCOLS)}
            for i, n in enumerate(self._sample(PORTS, 3))
        ]
        spec: dict[str, Any] = {"hosts": self._sample(HOSTS, 3), "ports": ports, "resolution": resolution}
        spec["addresses"] = [a for a in self._sample(ADDRESSES, 2) if a not in {"", "None"}]
        if resolution != "NONE" and self._maybe():
            spec["endpoints"] = [{"address": "10.1.1.2", "labels": {"version": v}} for v in self._sample(SUBSETS, 2)]
        elif resolution != "NONE":
            spec["workloadSelector"] = {"labels": {"app": self._dice.choice(NAMES)}}
        return spec

    def _workload(self) -> dict[str, Any]:
        address = self._dice.choice(["10.1.1.3", "fd00::3", "vm.example.com", "10.1.1.1"])
        return {"address": address, "labels": {"app": self._dice.choice(NAMES)}, "weight": self._dice.choice([0, 1, 7])}

    def _policy(self) -> dict[str, Any]:
        subsets = [
            {"name": name, "labels": {"version": self._dice.choice(SUBSETS)}} for name in self._sample(SUBSETS, 3)
        ]
        policy = {"trafficPolicy": self._traffic()} if self._maybe() else {}
        subsets[0] |= {"trafficPolicy": self._traffic()} if self._maybe() else {}
        return {"host": self._dice.choice(HOSTS), "subsets": subsets, **self._exported(), **policy}

    def _traffic(self) -> dict[str, Any]:
        policy = {block: self._dice.choice(choices) for block, choices in POLICIES.items() if self._maybe()}
        if not policy or self._maybe():
            port = {"port": {"number": self._dice.choice(PORTS)}, "tls": self._dice.choice(POLICIES["tls"])}
            policy["portLevelSettings"] = [port]
        return policy

    def _rules(self) -> dict[str, Any]:
        hosts = {} if self._dice.random() < 0.15 else {"hosts": self._sample(HOSTS, 3)}  # without, it is a delegate
        streams = self._streams(hosts["hosts"]) if hosts and self._maybe() else {}
        if hosts and self._maybe():
            streams |= {"gateways": self._sample(random_gateways.NAMED, 3)}
        return {**hosts, "http": [self._rule() for _ in range(3)], **streams, **self._exported()}

    def _streams(self, hosts: list[str]) -> dict[str, Any]:
        """Rules for TLS and TCP; several match the same names and ranges."""
        tls = [
            {"match": [self._stream(sniHosts=self._sample(tuple(hosts), min(2, len(hosts))))], "route": self._shares()}
            for _ in "12"
        ]
        tcp = [{"match": [self._stream()] if self._maybe() else [], "route": self._shares()} for _ in "12"]
        return {"tls": tls, "tcp": tcp}

    def _stream(self, **match: Any) -> dict[str, Any]:
        if self._maybe():
            match["destinationSubnets"] = self._sample(SUBNETS, 2)
        return {**match, "port": self._dice.choice(PORTS)} if self._maybe() else match

    def _shares(self) -> list[dict[str, Any]]:
        destinations = [{"destination": self._destination(), "weight": self._dice.choice(WEIGHTS)} for _ in range(2)]
        return destinations[: self._dice.choice([1, 2])]

    def _rule(self) -> dict[str, Any]:
        destinations = [{"destination": self._destination(), "weight": self._dice.choice(WEIGHTS)} for _ in range(3)]
        rule: dict[str, Any] = {"route": destinations[: self._dice.choice([1, 2, 3])]}
        if self._maybe():
            rule["match"] = [self._match() for _ in range(self._dice.choice([1, 2]))]
        if self._maybe():
            rule |= {"mirror": self._destination(), "mirrorPercentage": {"value": self._dice.choice(PERCENT)}}
        elif self._maybe():
            rule["mirrors"] = [{"destination": self._destination()} for _ in range(2)]
        if self._maybe():
            rule["timeout"] = self._dice.choice(["0s", "1ms", "1.5s", "1h30m"])
        if self._dice.random() < 0.2:
            return {**{key: rule[key] for key in ("match",) if key in rule}, **self._rules_source.terminal_action()}
        if self._maybe():
            rule |= self._rules_source.changes()
        if self._maybe():
            rule["route"][0]["headers"] = self._rules_source.headers()
        return rule

    def _match(self) -> dict[str, Any]:
        fields = ("uri", "scheme", "method", "authority")
        match: dict[str, Any] = {field: self._dice.choice(STRINGS) for field in self._sample(fields, 2)}
        for field in self._sample(("headers", "withoutHeaders", "queryParams"), 2):
            match[field] = {name: self._dice.choice(STRINGS) for name in self._sample(("x-a", "X-B", "cookie"), 2)}
        if self._maybe():
            match["ignoreUriCase"] = True
        if self._maybe():
            match["port"] = self._dice.choice(PORTS)
        return match

    def _destination(self) -> dict[str, Any]:
        destination: dict[str, Any] = {"host": self._dice.choice(HOSTS)}
        if self._maybe():
            destination["subset"] = self._dice.choice(SUBSETS)
        if self._maybe():
            destination["port"] = {"number": self._dice.choice(PORTS)}
        return destination

    def _exported(self) -> dict[str, Any]:
        return {"exportTo": self._sample(("*", ".", *NAMESPACES), 2)} if self._dice.random() < 0.2 else {}

    def _maybe(self) -> bool:
        return self._dice.random() < 0.4

    def _sample(self, pool: tuple[Any, ...], most: int) -> list[Any]:
        return self._dice.sample(pool, self._dice.randint(1, most))
