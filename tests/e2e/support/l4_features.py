"""Gateway API's features of TLS, TCP and UDP at Gateways: routes, and the backend that answers each connection."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tests.e2e.support.feature_cases import Route, backends, grant, host_name, listener, not_accepted, unresolved

PASSES, NAMED, ANY, ENDS = range(18201, 18205)
CONTROL = 18210
FAR = {"name": "far", "namespace": "far", "port": 53}


class Dial(msgspec.Struct, frozen=True):
    """A connection, over TLS with a `host`. `expected` is the backend's name; "" means closed, or no answer (UDP)."""

    port: int
    expected: str
    host: str = ""
    udp: bool = False


class Feature(msgspec.Struct, frozen=True):
    """Routes, connections, their listeners, and further objects."""

    routes: Sequence[Route]
    dials: Sequence[Dial] = ()
    listeners: Sequence[dict[str, Any]] = ()
    objects: Sequence[str] = ()


def _rules_to(name: str, **ref: Any) -> list[dict[str, Any]]:
    return [backends({"name": name, "port": 53, **ref})]


def _tls(section: str, rules: list[dict[str, Any]], *hosts: str, **more: Any) -> Route:
    return Route(rules, hosts or None, [{"sectionName": section}], kind="TLSRoute", **more)


def _mode(name: str, port: int, host: str = "", mode: str = "Passthrough") -> dict[str, Any]:
    certificate = {"certificateRefs": [{"name": "web"}]} if mode == "Terminate" else {}
    return listener(name, port, host, "TLS", tls={"mode": mode, **certificate})


def _unresolved_feature(name: str, reason: str, rules: list[dict[str, Any]], *objects: str) -> Feature:
    """A route with an unresolved backend: its connections are closed."""
    routes = [_tls("passes", rules, conditions=unresolved(reason))]
    return Feature(routes, [Dial(PASSES, "", host_name(name))], objects=objects)


TLS = {
    "TLSRouteSimpleSameNamespace": Feature(
        [_tls("passes", _rules_to("one"))],
        [Dial(PASSES, "one", host_name("TLSRouteSimpleSameNamespace")), Dial(PASSES, "", "stranger.example.com")],
        [_mode("passes", PASSES, "*.example.com")],
    ),
    "TLSRouteHostnameIntersection": Feature(
        [
            _tls("exact", _rules_to("one"), "non.matching.com", "very.specific.com"),
            _tls("wild", _rules_to("two"), "wildcard.io", "foo.wildcard.io", "*.deep.wildcard.io"),
            _tls("wild", _rules_to("one"), "*.wildcard.io"),
            _tls("exact", _rules_to("two"), "*.specific.com", year=2021),
            _tls("any", _rules_to("one"), "very.specific.com"),
            _tls("any", _rules_to("two"), "*.wildcard.io"),
        ],
        [
            Dial(NAMED, "one", "very.specific.com"),
            Dial(NAMED, "", "non.matching.com"),
            Dial(NAMED, "", "other.specific.com"),
            Dial(NAMED, "two", "foo.wildcard.io"),
            Dial(NAMED, "two", "a.deep.wildcard.io"),
            Dial(NAMED, "one", "bar.wildcard.io"),
            Dial(NAMED, "one", "deep.wildcard.io"),
            Dial(NAMED, "", "wildcard.io"),
            Dial(ANY, "one", "very.specific.com"),
            Dial(ANY, "two", "foo.wildcard.io"),
            Dial(ANY, "", "other.specific.com"),
        ],
        [
            _mode("exact", NAMED, "very.specific.com"),
            _mode("wild", NAMED, "*.wildcard.io"),
            _mode("any", ANY),
        ],
    ),
    "TLSRouteInvalidBackendRefNonexistent": _unresolved_feature(
        "TLSRouteInvalidBackendRefNonexistent", "BackendNotFound", _rules_to("gone")
    ),
    "TLSRouteInvalidBackendRefUnknownKind": _unresolved_feature(
        "TLSRouteInvalidBackendRefUnknownKind", "InvalidKind", _rules_to("one", kind="Magic")
    ),
    "TLSRouteInvalidReferenceGrant": _unresolved_feature(
        "TLSRouteInvalidReferenceGrant",
        "RefNotPermitted",
        [backends({**FAR, "name": "alone"})],
        grant("tls-kind", "TCPRoute", target="far", namespace="far"),
        grant("tls-name", "TLSRoute", target="far", namespace="far"),
    ),
    "TLSRouteInvalidNoMatchingListener": Feature(
        [
            _tls("http", _rules_to("one"), conditions=not_accepted("NotAllowedByListeners")),
            _tls("gone", _rules_to("one"), conditions=not_accepted("NoMatchingParent")),
        ],
        [Dial(PASSES, "", host_name("TLSRouteInvalidNoMatchingListener"))],
    ),
    "TLSRouteInvalidNoMatchingListenerHostname": Feature(
        [_tls("exact", _rules_to("one"), conditions=not_accepted("NoMatchingListenerHostname"))],
        [Dial(NAMED, "", host_name("TLSRouteInvalidNoMatchingListenerHostname"))],
    ),
    "TLSRouteTerminateSimpleSameNamespace": Feature(
        [_tls("ends", _rules_to("three"), "ends.example.com")],
        [Dial(ENDS, "three", "ends.example.com")],
        [_mode("ends", ENDS, "ends.example.com", "Terminate")],
    ),
    "TLSRouteMixedTerminationSameNamespace": Feature(
        [_tls("mixed", _rules_to("one"), "mixed.example.com")],
        [Dial(ENDS, "one", "mixed.example.com"), Dial(ENDS, "three", "ends.example.com")],
        [_mode("mixed", ENDS, "mixed.example.com")],
    ),
    "BackendTLSPolicyTLSRouteTerminate": Feature(
        [_tls("again", _rules_to("again"), "again.example.com")],
        [Dial(ENDS, "again", "again.example.com")],
        [_mode("again", ENDS, "again.example.com", "Terminate")],
    ),
}


def _l4_features(kind: str, protocol: str, names: Sequence[str]) -> dict[str, Feature]:
    """The features that TCP and UDP share; `names` are those whose conformance tests differ in name only."""
    udp, low = protocol == "UDP", protocol.lower()
    simple, elsewhere, every = names

    def route_at(*parents: dict[str, Any], backend: str = "three", **more: Any) -> Route:
        rules = more.pop("rules", _rules_to(backend))
        return Route(rules, [], parents, kind=kind, **more)

    def section(port: int) -> dict[str, Any]:
        return {"sectionName": f"{low}-{port}"}

    def port(number: int) -> dict[str, Any]:
        return listener(f"{low}-{number}", number, protocol=protocol)

    def dial(number: int, want: str) -> Dial:
        return Dial(number, want, udp=udp)

    base = CONTROL
    return {
        simple: Feature([route_at(section(base))], [dial(base, "three")], [port(base)]),
        f"{kind}MultipleRoutesAttachment": Feature(
            [route_at(section(base + 1), backend="four", year=2021), route_at(section(base + 1), year=2019)],
            [dial(base + 1, "three")],
            [port(base + 1)],
        ),
        f"{kind}InvalidBackendRefNonexistent": Feature(
            [route_at(section(base + 2), backend="gone", conditions=unresolved("BackendNotFound"))],
            [dial(base + 2, "")],
            [port(base + 2)],
        ),
        f"{kind}InvalidCrossNamespaceBackendRef": Feature(
            [
                route_at(
                    section(base + 3),
                    rules=[backends({**FAR, "name": "alone"})],
                    conditions=unresolved("RefNotPermitted"),
                )
            ],
            [dial(base + 3, "")],
            [port(base + 3)],
        ),
        f"{kind}ReferenceGrant": Feature(
            [route_at(section(base + 4), rules=[backends(FAR)])],
            [dial(base + 4, "far/far")],
            [port(base + 4)],
            [grant(f"{low}-far", kind, target="far", namespace="far")],
        ),
        elsewhere: Feature([route_at({"sectionName": "http"}, conditions=not_accepted("NotAllowedByListeners"))]),
        every: Feature(
            [route_at({}, backend="four", year=2030)],
            [dial(base + 5, "four"), dial(base + 6, "four"), dial(base, "three")],
            [port(base + 5), port(base + 6)],
        ),
        f"{kind}ParentRefPortAndSectionName": Feature(
            [
                route_at({"port": base + 7}),
                route_at({"port": base + 8, **section(base + 8)}, backend="four"),
                route_at({"port": base + 7, **section(base + 8)}, conditions=not_accepted("NoMatchingParent")),
            ],
            [dial(base + 7, "three"), dial(base + 8, "four")],
            [port(base + 7), port(base + 8)],
        ),
    }


TCP = _l4_features("TCPRoute", "TCP", ("TCPRoute", "TCPRouteInvalidNonTCPListener", "TCPRouteParentRefAttachAll"))
UDP = _l4_features(
    "UDPRoute", "UDP", ("UDPRoute", "UDPRouteNotAllowedByListeners", "UDPRouteParentRefAttachAllListeners")
)
FEATURES = {**TLS, **TCP, **UDP}
