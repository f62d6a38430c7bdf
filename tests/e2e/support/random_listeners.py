"""Random manifests of Gateway API: listeners and routes of all kinds that share few ports and hosts."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from tests import fast_yaml as yaml

GROUP = "gateway.networking.k8s.io"
PORTS = {18080: ("HTTP",), 18000: ("HTTP",), 443: ("HTTPS", "TLS"), 15443: ("HTTPS", "TLS"), 18001: ("TCP", "UDP")}
HOSTS = (
    *("", "*.example.com", "api.example.com", "a.b.example.com", "*.b.example.com", "example.com"),
    *("x" * 63 + ".example.com", ".".join(["a" * 50] * 4), "xn--bcher-kva.example"),
)
ILLEGAL = (
    "/x?q=1",
    "//",
    "/x%",
    "ü",
    " ",
    "\t",
    "host",
    "connection",
    "(",
    "(?=x)",
    "1.5s",
    "\n",
    "a b",
    "é",
    "*",
    "10.0.0.1",
    "%REQ(x)%",
    "API.example.com",
    -1,
    0,
    65536,
    1.5,
    None,
    {},
    [],
    "x" * 254,
)
ILLEGAL_SHARE = 0.003
NAMES = ("edge", "one", "two", "one", "two", "svc-0", "svc-1", "gone", "a/b", "kubernetes://one", "x" * 253)
NAMESPACES = ("", "default", "b", "gone")
TEXTS = ("/", "/x", "/x/", "/a/b", "/%20", "/a;b=c", "/" + "y" * 1000, "/a=b&c", "/~a:b@c")
VALUES = ("1", "%%", "%PROTOCOL%", "%REQ(x-a)%", "%DOWNSTREAM_REMOTE_ADDRESS%", "x" * 4096, "a,b")
HEADERS = ("x-a", "X-B", "cookie", "te", "grpc-status", "x-envoy-max-retries", "!#$", "via", "server", "date")
REGEXES = (".*", "/(a)(b)?", "[a-z]+", "^/v([0-9]+)/(.*)$", "a{1,50}")
DURATIONS = ("0s", "1ms", "1s", "10h", "1s500ms")
KINDS = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")


class RandomManifests:
    """Random manifests from a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def manifests(self) -> str:
        """Return manifests."""
        return yaml.safe_dump_all(self._objects())

    def _objects(self) -> Iterator[dict[str, Any]]:
        yield self._object("GatewayClass", "ours", {"controllerName": "mirrorplane.io/gateway-controller"})
        yield self._object("Gateway", "edge", self._gateway())
        for i in range(self.dice.randint(0, 2)):
            parent = {"parentRef": {"name": self.pick(("edge",) * 9 + (f"set-{i}",)), "namespace": "default"}}
            yield self._object("ListenerSet", f"set-{i}", {**parent, "listeners": self._listeners()}, space=True)
        for i in range(2):
            ports = [{"name": f"http-{n}", "port": n, **self._maybe(appProtocol=self._token())} for n in (80, 443)]
            yield self._service(f"svc-{i}", [*ports, {"name": "dns", "port": 53, "protocol": "UDP"}])
        for i in range(self.dice.randint(1, 12)):
            kind = self.dice.choice(KINDS[:2] if self.dice.random() < 0.7 else KINDS)
            yield self._object(kind, f"r{i}", self._route(kind), space=True)
        for i in range(self.dice.randint(0, 3)):
            yield self._object("BackendTLSPolicy", f"tls-{i}", self._policy())
        for i in range(self.dice.randint(0, 2)):
            yield self._object("ReferenceGrant", f"g-{i}", self._grant(), space=True)

    def _gateway(self) -> dict[str, Any]:
        validation = {"caCertificateRefs": [self._ref(self.pick(("Secret", "ConfigMap")))], "mode": "AllowValidOnly"}
        tls = {
            "frontend": {"default": {"validation": validation}},
            "backend": {"clientCertificateRef": {"name": self.pick(NAMES)}},
        }
        return {
            "gatewayClassName": "ours",
            "listeners": self._listeners(),
            "allowedListeners": {"namespaces": {"from": self.pick(("All", "Same", "None"))}},
            **({"tls": dict(self.dice.sample(sorted(tls.items()), 1))} if self.dice.random() < 0.3 else {}),
            **self._maybe(addresses=[{"value": self.pick(("127.0.0.1", "::1"))}]),
        }

    def _listeners(self) -> list[dict[str, Any]]:
        return [self._listener(i) for i in range(self.dice.choice((1, 2, 4, 8)))]

    def _listener(self, i: int) -> dict[str, Any]:
        port = self.dice.choice(tuple(PORTS))
        protocol = self.dice.choice(PORTS[port] if self.dice.random() < 0.95 else ("HTTP", "TLS", "UDP", "SCTP"))
        spec: dict[str, Any] = {"name": f"l{i}", "port": self.pick((port,)), "protocol": protocol}
        if protocol in {"HTTPS", "TLS"}:
            refs = [self._maybe(namespace=self.pick(NAMESPACES[:3])) | {"name": self.pick(NAMES[1:])} for _ in range(2)]
            mode = "Terminate" if protocol == "HTTPS" else self.dice.choice(("Terminate", "Passthrough"))
            spec["tls"] = {
                "mode": mode,
                **({"certificateRefs": refs[: self.dice.randint(1, 2)]} if mode[0] == "T" else {}),
            }
        if protocol not in {"TCP", "UDP"}:
            spec |= {"hostname": host} if (host := self.pick(HOSTS)) else {}
        kinds = [{"kind": self.pick(KINDS)}]
        return spec | self._maybe(
            allowedRoutes={"namespaces": {"from": self.pick(("All", "All", "Same"))}, **self._maybe(kinds=kinds)}
        )

    def _route(self, kind: str) -> dict[str, Any]:
        parents = [
            {"name": "edge", "namespace": "default", **self._maybe(sectionName=f"l{self.dice.randint(0, 3)}")},
            {"name": "svc-0", "kind": "Service", "group": "", "namespace": "default"},
        ]
        parents.append({"name": "set-0", "kind": "ListenerSet", "namespace": "default"})
        hosts = [host for host in self._sample(HOSTS) if host]
        bytes_ = kind in KINDS[2:]
        rules = [
            {**self._rule(kind), **self._maybe(name=f"n{i}")} for i in range(1 if bytes_ else self.dice.randint(1, 4))
        ]
        hostnames = (
            {"hostnames": hosts or ["api.example.com"]}
            if kind not in KINDS[3:] and (hosts or kind == "TLSRoute")
            else {}
        )
        return {"parentRefs": self._sample(parents), "rules": rules, **hostnames}

    def _rule(self, kind: str) -> dict[str, Any]:
        backends = [self._backend(kind) for _ in range(self.dice.randint(0 if kind in KINDS[:2] else 1, 3))]
        if kind in KINDS[2:]:
            return {"backendRefs": backends}
        matches = [self._match(kind) for _ in range(self.dice.randint(0, 3))]
        rule: dict[str, Any] = {"matches": matches, "filters": self._filters(kind), "backendRefs": backends}
        rule |= self._maybe(sessionPersistence=self._session())
        if kind == "HTTPRoute":
            rule |= self._maybe(timeouts={"request": self.pick(DURATIONS), "backendRequest": self.pick(DURATIONS)})
            rule |= self._maybe(
                retry={
                    "codes": self._sample((400, 500, 503, 599)),
                    "attempts": self.pick((0, 1, 9)),
                    "backoff": self.pick(DURATIONS),
                }
            )
        return rule

    def _match(self, kind: str) -> dict[str, Any]:
        headers = [
            {"name": self.pick(HEADERS), "value": self.pick(VALUES)},
            {"name": self.pick(HEADERS), "type": "RegularExpression", "value": self.pick(REGEXES)},
        ]
        if kind == "GRPCRoute":
            method = {
                "service": self.pick(("a.B", "x", ".a.b")),
                "method": self.pick(("Get", "a_b")),
                "type": self.pick(("Exact", "RegularExpression")),
            }
            return {"method": method, **self._maybe(headers=headers[:1])}
        path = {"type": self.pick(("Exact", "PathPrefix", "RegularExpression")), "value": self.pick(TEXTS)}
        query = [{"name": self.pick(("q", "a.b", "x_y")), "value": self.pick(VALUES)}]
        return {
            **self._maybe(path=path),
            **self._maybe(headers=headers),
            **self._maybe(queryParams=query),
            **self._maybe(method=self.pick(("GET", "CONNECT", "OPTIONS"))),
        }

    def _filters(self, kind: str) -> list[dict[str, Any]]:
        changes = {
            "set": [{"name": self.pick(HEADERS), "value": self.pick(VALUES)}],
            "add": [{"name": self.pick(HEADERS), "value": self.pick(VALUES)}],
            "remove": self._sample(HEADERS),
        }
        path = self.dice.choice(
            (
                {"type": "ReplaceFullPath", "replaceFullPath": self.pick(TEXTS)},
                {"type": "ReplacePrefixMatch", "replacePrefixMatch": self.pick((*TEXTS, ""))},
            )
        )
        configs: dict[str, Any] = {
            "RequestHeaderModifier": {"requestHeaderModifier": changes},
            "ResponseHeaderModifier": {"responseHeaderModifier": changes},
            "RequestMirror": {
                "requestMirror": {"backendRef": self._backend_ref(), **self._maybe(percent=self.pick((0, 1, 50, 100)))}
            },
            "RequestRedirect": {
                "requestRedirect": {
                    "scheme": self.pick(("http", "https")),
                    **self._maybe(path=path),
                    **self._maybe(port=self.pick((80, 8080))),
                    **self._maybe(hostname=self.pick(HOSTS[2:])),
                }
            },
            "URLRewrite": {"urlRewrite": {**self._maybe(hostname=self.pick(HOSTS[2:])), "path": path}},
            "CORS": {
                "cors": {
                    "allowOrigins": self.pick((["*"], ["https://*.x.y", "http://a:8080"])),
                    "allowMethods": self.pick((["*"], ["GET", "PUT"])),
                    "allowHeaders": self._sample(HEADERS[:3]),
                    "allowCredentials": self.pick((True, False)),
                    "maxAge": self.pick((1, 2**31)),
                }
            },
            "ExternalAuth": {
                "externalAuth": self.dice.choice(
                    (
                        {"protocol": "GRPC", "grpc": {"allowedHeaders": self._sample(HEADERS)}},
                        {
                            "protocol": "HTTP",
                            "http": {
                                "path": self.pick(TEXTS),
                                "allowedHeaders": self._sample(HEADERS),
                                "allowedResponseHeaders": self._sample(HEADERS),
                            },
                        },
                    )
                )
                | {"backendRef": self._backend_ref(), **self._maybe(forwardBody={"maxSize": self.pick((0, 1, 60000))})}
            },
            "ExtensionRef": {"extensionRef": {"group": "x.y", "kind": "Z", "name": "z"}},
        }
        names = (
            self._sample(tuple(configs)[:3] if kind == "GRPCRoute" else tuple(configs), 3)
            if self.dice.random() < 0.5
            else []
        )
        return [{"type": name, **configs[name]} for name in names]

    def _backend(self, kind: str) -> dict[str, Any]:
        backend = {**self._backend_ref(), **self._maybe(weight=self.pick((0, 1, 7, 1_000_000)))}
        return backend | self._maybe(filters=self._filters(kind)) if kind in KINDS[:2] else backend

    def _backend_ref(self) -> dict[str, Any]:
        return {
            "name": self.pick(("svc-0", "svc-1", "svc-1", "gone")),
            "port": self.pick((80, 443, 53, 99)),
            **self._maybe(namespace=self.pick(NAMESPACES[1:])),
        }

    def _session(self) -> dict[str, Any]:
        kind = self.dice.choice(("Cookie", "Header"))
        session = {
            "type": kind,
            **self._maybe(sessionName=self.pick(("s", "x" * 128))),
            **self._maybe(absoluteTimeout=self.pick(DURATIONS)),
        }
        return session | (
            self._maybe(
                cookie={"lifetimeType": self.pick(("Session", "Permanent")), **self._maybe(path=self.pick(TEXTS))}
            )
            if kind == "Cookie"
            else {}
        )

    def _policy(self) -> dict[str, Any]:
        target = {"group": "", "kind": "Service", "name": self.pick(NAMES), **self._maybe(sectionName="http-443")}
        trust = self.dice.choice(
            ({"wellKnownCACertificates": "System"}, {"caCertificateRefs": [self._ref("ConfigMap")]})
        )
        names = [
            {"type": "Hostname", "hostname": "a.b"},
            {"type": "URI", "uri": self.pick(("spiffe://a/b", "x", "http://["))},
        ]
        return {
            "targetRefs": [target],
            "validation": {
                "hostname": self.pick(HOSTS[2:]),
                **trust,
                **self._maybe(subjectAltNames=self._sample(names)),
            },
        }

    def _grant(self) -> dict[str, Any]:
        sources = [
            {
                "group": GROUP,
                "kind": self.pick((*KINDS, "Gateway", "ListenerSet")),
                "namespace": self.pick(NAMESPACES[1:]),
            }
        ]
        return {"from": sources, "to": [{"group": "", "kind": self.pick(("Service", "Secret", "ConfigMap"))}]}

    def _ref(self, kind: str) -> dict[str, Any]:
        return {"group": "", "kind": kind, "name": self.pick(NAMES)}

    def _token(self) -> str:
        return str(
            self.pick(
                ("kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss", "http", "https", "grpc", "tcp", "x")
            )
        )

    def _service(self, name: str, ports: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": ports, **self._maybe(clusterIP="10.0.0.9")},
        }

    def _object(self, kind: str, name: str, spec: dict[str, Any], *, space: bool = False) -> dict[str, Any]:
        created = f"2026-01-01T00:00:{self.dice.randint(10, 59)}Z"
        metadata = {
            "name": name,
            "creationTimestamp": created,
            **({"namespace": "b"} if space and self.dice.random() < 0.15 else {}),
        }
        return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}

    def pick(self, pool: Sequence[Any]) -> Any:
        """One of a pool; now and then an illegal value instead."""
        return self.dice.choice(ILLEGAL if self.dice.random() < ILLEGAL_SHARE else pool)

    def _sample(self, pool: Sequence[Any], most: int = 2) -> list[Any]:
        return self.dice.sample(pool, self.dice.randint(1, min(most, len(pool))))

    def _maybe(self, **fields: Any) -> dict[str, Any]:
        return fields if self.dice.random() < 0.4 else {}
