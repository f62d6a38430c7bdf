"""Gateway API's features of statuses: ListenerSets and L4 routes."""

from collections.abc import Mapping
from typing import Any

from tests import fast_yaml as yaml
from tests.e2e.support.feature_cases import (
    OTHER_NAMESPACE,
    allowed_from,
    gateway,
    listener,
    listener_set,
    service_with_endpoints,
)
from tests.e2e.support.gateway_states import (
    GATEWAYS,
    HEALTHY,
    POLICIES,
    SECRET,
    Conditions,
    State,
    allowed_kinds,
    route,
)

_JOINED: Mapping[str, Conditions] = {"": {"Accepted": "Accepted"}, "own": HEALTHY}
_REFUSED: Mapping[str, Conditions] = {"": {"Accepted": "!NotAllowed", "Programmed": "!NotAllowed"}}


def _two_sets(count: int, near: Mapping[str, Conditions], far: Mapping[str, Conditions], **allowed: Any) -> State:
    """A ListenerSet in the Gateway's namespace and one in another."""
    labels = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OTHER_NAMESPACE, "labels": {"side": "far"}}}
    return State(
        [
            gateway(listener("http", 80), **allowed),
            listener_set("near", listener("own", 81)),
            listener_set("far", listener("own", 82), namespace=OTHER_NAMESPACE),
            yaml.safe_dump(labels),
        ],
        {"Gateway edge": {"": {"sets": count}, "http": HEALTHY}, "ListenerSet near": near, "ListenerSet far": far},
    )


def _conflict(reason: str, between: str, gateway_listener: Mapping[str, Any], set_listener: Mapping[str, Any]) -> State:
    """Conflicting listeners of a Gateway and its sets: the first one wins. `between` is the reason between two sets."""
    conflicted: Conditions = {"Accepted": f"!{reason}", "Programmed": f"!{reason}", "Conflicted": reason}
    return State(
        [
            gateway(gateway_listener, allowedListeners=allowed_from("Same")),
            listener_set("first", {**set_listener, "name": "lost"}, {**set_listener, "name": "won", "port": 81}),
            listener_set("second", {**set_listener, "name": "lost", "port": 81}),
        ],
        {
            "Gateway edge": {"": {"Accepted": "Accepted", "sets": 1}, "own": HEALTHY},
            "ListenerSet first": {"": {"Accepted": "ListenersNotValid"}, "won": HEALTHY, "lost": conflicted},
            "ListenerSet second": {
                "": {"Accepted": "!ListenersNotValid", "Programmed": "!ListenersNotValid"},
                "lost": {"Accepted": f"!{between}", "Programmed": f"!{between}", "Conflicted": between},
            },
        },
    )


SETS = {
    "ListenerSetDefaultNotAllowed": _two_sets(0, _REFUSED, _REFUSED),
    "ListenerSetAllowedNamespaceNone": _two_sets(0, _REFUSED, _REFUSED, allowedListeners=allowed_from("None")),
    "ListenerSetAllowedNamespaceSame": _two_sets(1, _JOINED, _REFUSED, allowedListeners=allowed_from("Same")),
    "ListenerSetAllowedNamespaceSelector": _two_sets(1, _REFUSED, _JOINED, allowedListeners=allowed_from(side="far")),
    "ListenerSetHostnameConflict": _conflict(
        "HostnameConflict",
        "HostnameConflict",
        listener("own", 80, "a.example.com"),
        listener("", 80, "a.example.com"),
    ),
    "ListenerSetProtocolConflict": _conflict(
        "ProtocolConflict", "HostnameConflict", listener("own", 80), listener("", 80, protocol="TCP")
    ),
    "ListenerSetAllowedRoutesSupportedKinds": State(
        [
            gateway(listener("http", 80), allowedListeners=allowed_from("Same")),
            listener_set(
                "set",
                listener("magic", 81, **allowed_kinds("Magic")),
                listener("mixed", 82, **allowed_kinds("HTTPRoute", "Magic")),
                listener("grpc", 83, **allowed_kinds("GRPCRoute")),
                listener("tls", 84, protocol="TLS", tls={"mode": "Passthrough"}, **allowed_kinds("TLSRoute")),
            ),
            route("web", {"kind": "ListenerSet", "name": "set", "sectionName": "grpc"}),
            service_with_endpoints("v1", 1),
        ],
        {
            "ListenerSet set": {
                "magic": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": ""},
                "mixed": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": "HTTPRoute"},
                "grpc": {**HEALTHY, "kinds": "GRPCRoute", "routes": 0},
                "tls": {**HEALTHY, "kinds": "TLSRoute"},
            },
            "HTTPRoute web-0": {"0": {"Accepted": "!NotAllowedByListeners"}},
        },
    ),
}
"""Statuses of ListenerSets."""


def _l4_states(kind: str, protocol: str) -> dict[str, State]:
    """Several L4 routes on one port are all attached, though only one serves."""
    return {
        f"{kind}MultipleRoutesAttachment": State(
            [
                gateway(listener("port", 8080, protocol=protocol)),
                *(route(f"r{year}", kind=kind, year=year) for year in (2020, 2021)),
                service_with_endpoints("v1", 1),
            ],
            {
                "Gateway edge": {"port": {**HEALTHY, "kinds": kind, "routes": 2}},
                f"{kind} r-2020-0": {"0": {"Accepted": "Accepted"}},
                f"{kind} r-2021-0": {"0": {"Accepted": "Accepted"}},
            },
        )
    }


def _tls(mode: str, *kinds: str) -> dict[str, Any]:
    certificate = {"certificateRefs": [{"name": "web"}]} if mode == "Terminate" else {}
    return listener("-".join(kinds).lower(), 443, f"{len(kinds)}{kinds[0].lower()}.example.com", "TLS",
                    tls={"mode": mode, **certificate}, **allowed_kinds(*kinds))  # fmt: skip


def _supported(mode: str) -> State:
    return State(
        [gateway(_tls(mode, "Magic"), _tls(mode, "TLSRoute"), _tls(mode, "Magic", "TLSRoute")), SECRET],
        {
            "Gateway edge": {
                "magic": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": ""},
                "tlsroute": {**HEALTHY, "kinds": "TLSRoute"},
                "magic-tlsroute": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": "TLSRoute"},
            }
        },
    )


L4 = {
    **_l4_states("TCPRoute", "TCP"),
    **_l4_states("UDPRoute", "UDP"),
    "TLSRouteListenerPassthroughSupportedKinds": _supported("Passthrough"),
    "TLSRouteListenerTerminateSupportedKinds": _supported("Terminate"),
}
"""Statuses of L4 routes and their listeners."""

STATES = {**GATEWAYS, **POLICIES, **SETS, **L4}
