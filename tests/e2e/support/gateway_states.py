"""Gateway API's features of statuses: objects, and the conditions expected of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tests import fast_yaml as yaml
from tests.e2e.support.edge_router import Certificates
from tests.e2e.support.feature_cases import (
    OTHER_NAMESPACE,
    Route,
    conditions_of,
    gateway,
    grant,
    listener,
    route_manifest,
    service_with_endpoints,
)
from tests.e2e.support.mesh_features import manifest_yaml, rule_to

Conditions = Mapping[str, str | int | None]


class State(msgspec.Struct, frozen=True):
    """Objects, and their expected statuses by `Kind name`: of the object itself by "", of its parts by name or index.

    `rejected_objects` are refused by validation. Conditions are written as `conditions_of` returns them; a Gateway
    has `sets` (attachedListenerSets), a listener `kinds` and `routes`. Of the parts either all are listed or none.
    """

    objects: Sequence[str]
    expected: Mapping[str, Mapping[str, Conditions]]
    rejected_objects: Sequence[str] = ()


def parts_of(status: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A status in the form of `State.expected`."""
    conditions = conditions_of(status) if "conditions" in status else {}
    parts: dict[str, dict[str, Any]] = {"": {**conditions, "sets": status.get("attachedListenerSets")}}
    for listener_status in status.get("listeners", ()):
        names = " ".join(sorted(kind["kind"] for kind in listener_status["supportedKinds"]))
        parts[listener_status["name"]] = {
            **conditions_of(listener_status),
            "kinds": names,
            "routes": listener_status["attachedRoutes"],
        }
    for i, parent in enumerate(status.get("parents", status.get("ancestors", ()))):
        parts[str(i)] = conditions_of(parent)
    return parts


HEALTHY: Conditions = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs", "Conflicted": None}
BOTH = "GRPCRoute HTTPRoute"
SECRET = Certificates().secret("web", "*.example.com")
_FAR = SECRET.replace("name: web", "name: web\n  namespace: apart")
_BROKEN = SECRET.replace("name: web", "name: broken").replace("tls.crt: ", "tls.crt: AAAA")


def _https(name: str, port: int, secret: str = "web", **ref: str) -> dict[str, Any]:
    tls = {"certificateRefs": [{"name": secret, **ref}]}
    return listener(name, port, f"{name}.example.com", "HTTPS", tls=tls)


def allowed_kinds(*names: str) -> dict[str, Any]:
    return {"allowedRoutes": {"kinds": [{"kind": name} for name in names]}}


def route(name: str, *parents: Mapping[str, Any], hosts: Sequence[str] = (), **more: Any) -> str:
    return route_manifest(name, 0, Route([rule_to("v1")], hosts, parents or [{}], **more))


def _validation(name: str, kind: str = "ConfigMap", **more: str) -> dict[str, Any]:
    return {"validation": {"caCertificateRefs": [{"group": "", "kind": kind, "name": name, **more}]}}


def _clients(name: str = "clients") -> str:
    data = {"ca.crt": Certificates().ca.cert_pem.bytes().decode()}
    text: str = yaml.safe_dump(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}
    )
    return text


def _attached(port: int) -> State:
    """attachedRoutes, also of a listener that is not valid itself."""
    return State(
        [
            gateway(listener("one", port), name="one"),
            gateway(listener("two", port), name="two"),
            gateway({**_https("unresolved", port, "gone"), "hostname": ""}, name="unresolved"),
            *(route(f"r{i}", {"name": name}) for i, name in enumerate(("one", "two", "two", "unresolved"))),
            service_with_endpoints("v1", 1),
        ],
        {
            "Gateway one": {"": {"Accepted": "Accepted"}, "one": {**HEALTHY, "routes": 1, "kinds": BOTH}},
            "Gateway two": {"two": {"routes": 2}},
            "Gateway unresolved": {
                "unresolved": {"Accepted": "Accepted", "ResolvedRefs": "!InvalidCertificateRef", "routes": 1}
            },
        },
    )


GATEWAYS = {
    "GatewayListenerUnsupportedProtocol": State(
        [
            gateway(listener("good", 80), listener("bad", 81, protocol="example.com/magic"), name="some"),
            gateway(listener("bad", 81, protocol="example.com/magic"), name="none"),
        ],
        {
            "Gateway some": {
                "": {"Accepted": "ListenersNotValid"},
                "good": {**HEALTHY, "kinds": BOTH},
                "bad": {"Accepted": "!UnsupportedProtocol", "Programmed": "!Invalid", "kinds": ""},
            },
            "Gateway none": {"": {"Accepted": "!ListenersNotValid"}, "bad": {"Accepted": "!UnsupportedProtocol"}},
        },
    ),
    "GatewayInvalidParametersRef": State(
        [
            gateway(
                listener("http", 80),
                infrastructure={"parametersRef": {"group": "example.com", "kind": "Gone", "name": "gone"}},
            )
        ],
        {"Gateway edge": {"": {"Accepted": "!InvalidParameters"}}},
    ),
    "GatewayInvalidRouteKind": State(
        [
            gateway(listener("only", 80, **allowed_kinds("Magic")), name="only"),
            gateway(listener("mixed", 80, **allowed_kinds("Magic", "HTTPRoute")), name="mixed"),
        ],
        {
            "Gateway only": {"only": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": ""}},
            "Gateway mixed": {"mixed": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": "HTTPRoute"}},
        },
    ),
    "GatewayInvalidTLSConfiguration": State(
        [
            gateway(
                _https("gone", 443, "gone"),
                _https("group", 444, group="example.com"),
                _https("kind", 445, kind="Magic"),
                _https("broken", 446, "broken"),
                _https("good", 447),
            ),
            SECRET,
        ],
        {
            "Gateway edge": {
                "good": {**HEALTHY, "kinds": BOTH},
                **{
                    name: {"ResolvedRefs": "!InvalidCertificateRef", "Programmed": "!Invalid", "kinds": BOTH}
                    for name in ("gone", "group", "kind", "broken")
                },
            }
        },
        [_BROKEN],
    ),
    "GatewaySecretMissingReferenceGrant": State(
        [gateway(_https("far", 443, namespace=OTHER_NAMESPACE)), _FAR],
        {
            "Gateway edge": {
                "far": {"Accepted": "Accepted", "ResolvedRefs": "!RefNotPermitted", "Programmed": "!Invalid"}
            }
        },
    ),
    "GatewaySecretInvalidReferenceGrant": State(
        [
            gateway(_https("far", 443, namespace=OTHER_NAMESPACE)),
            _FAR,
            grant("wrong", "Gateway", "Secret", "another"),
        ],
        {"Gateway edge": {"far": {"ResolvedRefs": "!RefNotPermitted", "Programmed": "!Invalid"}}},
    ),
    "GatewayWithAttachedRoutes": _attached(80),
    "GatewayWithAttachedRoutesWithPort8080": _attached(8080),
    "GatewayFrontendInvalidDefaultClientCertificateValidation": State(
        [
            gateway(
                _https("bad", 443),
                _https("good", 444),
                listener("http", 80),
                tls={
                    "frontend": {
                        "default": _validation("gone"),
                        "perPort": [{"port": 444, "tls": _validation("clients")}],
                    }
                },
            ),
            SECRET,
            _clients(),
        ],
        {
            "Gateway edge": {
                "": {"Accepted": "ListenersNotValid"},
                "bad": {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidCACertificateRef"},
                "good": HEALTHY,
                "http": HEALTHY,
            }
        },
    ),
    "GatewayInvalidFrontendClientCertificateValidation": State(
        [
            gateway(
                _https("good", 443),
                _https("gone", 444),
                _https("kind", 445),
                _https("far", 446),
                tls={
                    "frontend": {
                        "default": _validation("clients"),
                        "perPort": [
                            {"port": 444, "tls": _validation("gone")},
                            {"port": 445, "tls": _validation("clients", "Magic")},
                            {"port": 446, "tls": _validation("clients", namespace=OTHER_NAMESPACE)},
                        ],
                    }
                },
            ),
            SECRET,
            _clients(),
        ],
        {
            "Gateway edge": {
                "good": HEALTHY,
                "gone": {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidCACertificateRef"},
                "kind": {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidCACertificateKind"},
                "far": {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!RefNotPermitted"},
            }
        },
    ),
    "GatewayInvalidTLSBackendConfiguration": State(
        [
            *(
                gateway(listener("http", 80), name=name, tls={"backend": {"clientCertificateRef": ref}})
                for name, ref in {
                    "good": {"name": "web"},
                    "gone": {"name": "gone"},
                    "kind": {"kind": "Magic", "name": "web"},
                    "broken": {"name": "broken"},
                    "far": {"name": "web", "namespace": OTHER_NAMESPACE},
                }.items()
            ),
            SECRET,
        ],
        {
            "Gateway good": {"": {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}},
            "Gateway far": {"": {"Accepted": "Accepted", "ResolvedRefs": "!RefNotPermitted"}},
            **{
                f"Gateway {name}": {"": {"Accepted": "Accepted", "ResolvedRefs": "!InvalidClientCertificateRef"}}
                for name in ("gone", "kind", "broken")
            },
        },
        [_BROKEN],
    ),
    "HTTPRouteDisallowedKind": State(
        [
            gateway(listener("http", 80, **allowed_kinds("HTTPRoute"))),
            route("tls", kind="TLSRoute", hosts=["a.example.com"]),
            service_with_endpoints("v1", 1),
        ],
        {
            "TLSRoute tls-0": {"0": {"Accepted": "!NotAllowedByListeners", "ResolvedRefs": "ResolvedRefs"}},
            "Gateway edge": {"http": {**HEALTHY, "routes": 0, "kinds": "HTTPRoute"}},
        },
    ),
}
"""Statuses of Gateways, listeners and attached routes."""


def _policy(name: str, *authorities: Mapping[str, str], section: str = "", year: int = 2020) -> str:
    target = {"group": "", "kind": "Service", "name": "v1", **({"sectionName": section} if section else {})}
    ca_refs = [{"group": "", "kind": "ConfigMap", "name": "clients", **ref} for ref in authorities or ({},)]
    validation = {"hostname": "backend.example.com", "caCertificateRefs": ca_refs}
    policy = yaml.safe_load(manifest_yaml("BackendTLSPolicy", name, {"targetRefs": [target], "validation": validation}))
    policy["metadata"]["creationTimestamp"] = f"{year}-01-01T00:00:00Z"
    text: str = yaml.safe_dump(policy)
    return text


def _trusting(*policies: str) -> list[str]:
    return [gateway(listener("http", 80)), route("web"), service_with_endpoints("v1", 1), _clients(), *policies]


POLICIES = {
    "BackendTLSPolicyConflictResolution": State(
        _trusting(
            _policy("older", year=2019),
            _policy("newer"),
            _policy("named", section="http"),
            _policy("z-named", section="http"),
        ),
        {
            "BackendTLSPolicy older": {"0": HEALTHY},
            "BackendTLSPolicy newer": {"0": {"Accepted": "!Conflicted"}},
            "BackendTLSPolicy named": {"0": HEALTHY},
            "BackendTLSPolicy z-named": {"0": {"Accepted": "!Conflicted"}},
        },
    ),
    "BackendTLSPolicyInvalidCACertificateRef": State(
        _trusting(_policy("gone", {"name": "gone"})),
        {
            "BackendTLSPolicy gone": {
                "0": {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidCACertificateRef"}
            }
        },
    ),
    "BackendTLSPolicyInvalidKind": State(
        _trusting(_policy("kind", {"kind": "Magic"})),
        {"BackendTLSPolicy kind": {"0": {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidKind"}}},
    ),
}
"""Statuses of BackendTLSPolicies."""
