"""The features that Gateway API names and that are about statuses: ListenerSets, and routes for bytes."""

from collections.abc import Mapping
from typing import Any

import yaml

from tests.e2e.feature_cases import APART, admitting, gateway, listener, listener_set, served
from tests.e2e.gateway_states import GATEWAYS, POLICIES, SECRET, WELL, Said, State, allowing, route

_JOINED: Mapping[str, Said] = {"": {"Accepted": "Accepted"}, "own": WELL}
_REFUSED: Mapping[str, Said] = {"": {"Accepted": "!NotAllowed", "Programmed": "!NotAllowed"}}


def _joining(count: int, near: Mapping[str, Said], far: Mapping[str, Said], **allowed: Any) -> State:
    """A set beside the Gateway and one of another namespace."""
    labels = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": APART, "labels": {"side": "far"}}}
    return State(
        [
            gateway(listener("http", 80), **allowed),
            listener_set("near", listener("own", 81)),
            listener_set("far", listener("own", 82), namespace=APART),
            yaml.safe_dump(labels),
        ],
        {"Gateway edge": {"": {"sets": count}, "http": WELL}, "ListenerSet near": near, "ListenerSet far": far},
    )


def _conflict(reason: str, between: str, gateway_listener: Mapping[str, Any], set_listener: Mapping[str, Any]) -> State:
    """A Gateway and sets whose listeners cannot be told apart: the first stays. `between` is the reason of two sets."""
    conflicted: Said = {"Accepted": f"!{reason}", "Programmed": f"!{reason}", "Conflicted": reason}
    return State(
        [
            gateway(gateway_listener, allowedListeners=admitting("Same")),
            listener_set("first", {**set_listener, "name": "lost"}, {**set_listener, "name": "won", "port": 81}),
            listener_set("second", {**set_listener, "name": "lost", "port": 81}),
        ],
        {
            "Gateway edge": {"": {"Accepted": "Accepted", "sets": 1}, "own": WELL},
            "ListenerSet first": {"": {"Accepted": "ListenersNotValid"}, "won": WELL, "lost": conflicted},
            "ListenerSet second": {
                "": {"Accepted": "!ListenersNotValid", "Programmed": "!ListenersNotValid"},
                "lost": {"Accepted": f"!{between}", "Programmed": f"!{between}", "Conflicted": between},
            },
        },
    )


SETS = {
    "ListenerSetDefaultNotAllowed": _joining(0, _REFUSED, _REFUSED),
    "ListenerSetAllowedNamespaceNone": _joining(0, _REFUSED, _REFUSED, allowedListeners=admitting("None")),
    "ListenerSetAllowedNamespaceSame": _joining(1, _JOINED, _REFUSED, allowedListeners=admitting("Same")),
    "ListenerSetAllowedNamespaceSelector": _joining(1, _REFUSED, _JOINED, allowedListeners=admitting(side="far")),
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
            gateway(listener("http", 80), allowedListeners=admitting("Same")),
            listener_set(
                "set",
                listener("magic", 81, **allowing("Magic")),
                listener("mixed", 82, **allowing("HTTPRoute", "Magic")),
                listener("grpc", 83, **allowing("GRPCRoute")),
                listener("tls", 84, protocol="TLS", tls={"mode": "Passthrough"}, **allowing("TLSRoute")),
            ),
            route("web", {"kind": "ListenerSet", "name": "set", "sectionName": "grpc"}),
            served("v1", 1),
        ],
        {
            "ListenerSet set": {
                "magic": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": ""},
                "mixed": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": "HTTPRoute"},
                "grpc": {**WELL, "kinds": "GRPCRoute", "routes": 0},
                "tls": {**WELL, "kinds": "TLSRoute"},
            },
            "HTTPRoute web-0": {"0": {"Accepted": "!NotAllowedByListeners"}},
        },
    ),
}
"""Of ListenerSets."""


def _bytes(kind: str, protocol: str) -> dict[str, State]:
    """Several routes at one port are all attached, whoever of them serves."""
    return {
        f"{kind}MultipleRoutesAttachment": State(
            [
                gateway(listener("port", 8080, protocol=protocol)),
                *(route(f"r{year}", kind=kind, year=year) for year in (2020, 2021)),
                served("v1", 1),
            ],
            {
                "Gateway edge": {"port": {**WELL, "kinds": kind, "routes": 2}},
                f"{kind} r-2020-0": {"0": {"Accepted": "Accepted"}},
                f"{kind} r-2021-0": {"0": {"Accepted": "Accepted"}},
            },
        )
    }


def _tls(mode: str, *kinds: str) -> dict[str, Any]:
    certificate = {"certificateRefs": [{"name": "web"}]} if mode == "Terminate" else {}
    return listener("-".join(kinds).lower(), 443, f"{len(kinds)}{kinds[0].lower()}.example.com", "TLS",
                    tls={"mode": mode, **certificate}, **allowing(*kinds))  # fmt: skip


def _supported(mode: str) -> State:
    return State(
        [gateway(_tls(mode, "Magic"), _tls(mode, "TLSRoute"), _tls(mode, "Magic", "TLSRoute")), SECRET],
        {
            "Gateway edge": {
                "magic": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": ""},
                "tlsroute": {**WELL, "kinds": "TLSRoute"},
                "magic-tlsroute": {"ResolvedRefs": "!InvalidRouteKinds", "kinds": "TLSRoute"},
            }
        },
    )


BYTES = {
    **_bytes("TCPRoute", "TCP"),
    **_bytes("UDPRoute", "UDP"),
    "TLSRouteListenerPassthroughSupportedKinds": _supported("Passthrough"),
    "TLSRouteListenerTerminateSupportedKinds": _supported("Terminate"),
}
"""Of routes for bytes, and their listeners."""

STATES = {**GATEWAYS, **POLICIES, **SETS, **BYTES}
