"""The features that Gateway API names for HTTP and are about listeners: hosts, ports, namespaces, Secrets, sets."""

from collections.abc import Sequence
from typing import Any

from tests.e2e.feature_cases import (
    APART,
    HTTP,
    Ask,
    Feature,
    Route,
    admitting,
    backends,
    grant,
    host_of,
    listener,
    listener_set,
    refused,
    unresolved,
)
from tests.e2e.mesh_features import at, moved, to

ANYBODY, HOSTS, NAMED, ISOLATED, BY_PORT, OTHER_PORT, SET, SECURE = range(18101, 18109)
SCHEME = 18109
FAR = {"name": "far", "namespace": APART}
ORG = "example.org"


def _to(section: str, **more: Any) -> list[dict[str, Any]]:
    return [{"sectionName": section, **more}]


def _hosts(back: str, port: int, *hosts: str, path: str = "/anything") -> list[Ask]:
    return [Ask(path, back, host=host, port=port) for host in hosts]


NAMESPACES = {
    "HTTPRouteCrossNamespace": Feature(
        [
            Route([to("v1")], parents=_to("anybody"), namespace=APART, conditions=unresolved("RefNotPermitted")),
            Route([backends(FAR, matches=at("/headers"))], parents=_to("anybody"), namespace=APART),
            Route([backends(FAR)], ["chosen.example.com"], _to("chosen"), namespace=APART),
            Route([to("v1")], ["rejected.example.com"], _to("rejected"), refused("NotAllowedByListeners")),
        ],
        [
            Ask("/anything", "500", port=ANYBODY),
            Ask("/headers", "far", port=ANYBODY),
            Ask("/headers", "404"),
            *_hosts("far", ANYBODY, "chosen.example.com"),
            *_hosts("404", ANYBODY, "rejected.example.com"),
        ],
        [
            listener("anybody", ANYBODY, "*.example.com", allowedRoutes=admitting()),
            listener("chosen", ANYBODY, "chosen.example.com", allowedRoutes=admitting(side="apart")),
            listener("rejected", ANYBODY, "rejected.example.com", allowedRoutes=admitting(side="nobody")),
        ],
    ),
    "HTTPRouteInvalidCrossNamespaceParentRef": Feature(
        [Route([backends(FAR)], namespace=APART, conditions=refused("NotAllowedByListeners"))],
        [Ask("/anything", "404")],
    ),
    "HTTPRouteInvalidCrossNamespaceBackendRef": Feature(
        [Route([backends({**FAR, "name": "alone"})], conditions=unresolved("RefNotPermitted"))],
        [Ask("/anything", "500")],
    ),
    "HTTPRouteInvalidReferenceGrant": Feature(
        [Route([backends({**FAR, "name": "alone"})], conditions=unresolved("RefNotPermitted"))],
        [Ask("/anything", "500")],
        objects=[
            grant("wrong-namespace", "HTTPRoute", target="alone", whence="elsewhere"),
            grant("wrong-place", "HTTPRoute", target="alone", namespace="default"),
            grant("wrong-kind", "GRPCRoute", target="alone"),
            grant("wrong-target", "HTTPRoute", "Secret", target="alone"),
            grant("wrong-name", "HTTPRoute", target="another"),
        ],
    ),
    "HTTPRoutePartiallyInvalidViaInvalidReferenceGrant": Feature(
        [
            Route(
                [
                    backends({**FAR, "name": "alone"}, matches=at("/anything/alone")),
                    backends(FAR, matches=at("/anything")),
                    to("v1", matches=at("/headers")),
                ],
                conditions=unresolved("RefNotPermitted"),
            )
        ],
        [Ask("/anything/alone", "500"), Ask("/anything", "far"), Ask("/headers", "v1")],
    ),
    "HTTPRouteReferenceGrant": Feature(
        [Route([backends(FAR)])], [Ask("/anything", "far")], objects=[grant("far", "HTTPRoute", target="far")]
    ),
}
"""Who may be attached where, and send where."""

PORTS = {
    "HTTPRouteInvalidParentRefNotMatchingListenerPort": Feature(
        [Route([to("v1")], parents=[{"port": 81}], conditions=refused("NoMatchingParent"))], [Ask("/anything", "404")]
    ),
    "HTTPRouteInvalidParentRefSectionNameNotMatchingPort": Feature(
        [Route([to("v1")], parents=[{"sectionName": "http", "port": BY_PORT}], conditions=refused("NoMatchingParent"))],
        [Ask("/anything", "404"), Ask("/anything", "404", port=BY_PORT)],
    ),
    "HTTPRouteListenerPortMatching": Feature(
        [
            Route([to("v1")], parents=[{"port": BY_PORT}]),
            Route([to("v2")], parents=[{"port": OTHER_PORT, "sectionName": "other-port"}]),
            Route([to("v3")], ["every-port.example.com"], [{}]),
        ],
        [
            Ask("/anything", "v1", port=BY_PORT),
            Ask("/anything", "v2", port=OTHER_PORT),
            Ask("/anything", "404"),
            *_hosts("v3", BY_PORT, "every-port.example.com"),
            *_hosts("v3", OTHER_PORT, "every-port.example.com"),
            *_hosts("v3", HTTP, "every-port.example.com"),
        ],
        [listener("by-port", BY_PORT), listener("other-port", OTHER_PORT)],
    ),
    "HTTPRouteRedirectPortAndScheme": Feature(
        [
            Route(
                [
                    moved("/neither", hostname=ORG),
                    moved("/port", hostname=ORG, port=80),
                    moved("/scheme", hostname=ORG, scheme="http"),
                    moved("/https", hostname=ORG, scheme="https"),
                    moved("/http-8080", hostname=ORG, scheme="http", port=8080),
                    moved("/http-80", hostname=ORG, scheme="http", port=80),
                    moved("/https-443", hostname=ORG, scheme="https", port=443),
                    moved("/https-8443", hostname=ORG, scheme="https", port=8443),
                ],
                [ORG],
                [{"sectionName": "port-8080"}, {"sectionName": "secure-scheme"}],
            )
        ],
        [
            *(
                Ask(path, f"302 {where}/{path.strip('/')}", host=ORG, port=port, secure=secure)
                for port, secure, neither, to_80 in (
                    (8080, False, f"http://{ORG}:8080", f"http://{ORG}"),
                    (SCHEME, True, f"https://{ORG}:{SCHEME}", f"https://{ORG}:80"),
                )
                for path, where in {
                    "/neither": neither,
                    "/port": to_80,
                    "/scheme": f"http://{ORG}",
                    "/https": f"https://{ORG}",
                    "/http-8080": f"http://{ORG}:8080",
                    "/http-80": f"http://{ORG}",
                    "/https-443": f"https://{ORG}",
                    "/https-8443": f"https://{ORG}:8443",
                }.items()
            )
        ],
        [
            listener("port-8080", 8080),
            listener("secure-scheme", SCHEME, protocol="HTTPS", tls={"certificateRefs": [{"name": "web"}]}),
        ],
    ),
}
"""Routes for some ports, and what redirects say of them."""


def _met(section: str, back: str, *hosts: str, **more: Any) -> Route:
    return Route([to(back, matches=at(f"/anything/{section}"))], hosts, _to(section), **more)


def _isolated(*sections: tuple[str, str]) -> Feature:
    """Listeners one within the other on a port; each has a route for all of the hosts."""
    hosts = ["bar.com", "*.example.com", "*.foo.example.com", "abc.foo.example.com"]
    requested_hosts = ["bar.com", "bar.example.com", "bar.foo.example.com", "abc.foo.example.com"]
    names = [section for section, _ in sections]
    return Feature(
        [Route([to("v1", matches=at(f"/anything/{section}"))], hosts, _to(section)) for section in names],
        [
            Ask(f"/anything/{section}", "v1" if names.index(section) == i else "404", host=host, port=ISOLATED)
            for section in names
            for i, host in enumerate(requested_hosts)
        ],
        [listener(section, ISOLATED, host) for section, host in sections],
    )


HOSTNAMES = {
    "HTTPRouteHostnameIntersection": Feature(
        [
            _met("exact", "v1", "non.matching.com", "*.nonmatchingwildcard.io", "very.specific.com"),
            _met("exact", "v1", "*.specific.com", "other.specific.net"),
            _met("wild", "v2", "non.matching.com", "wildcard.io", "foo.wildcard.io", "foo.bar.wildcard.io"),
            _met("wilder", "v3", "*.anotherwildcard.io", "*.deep.anotherwildcard.io"),
            Route(
                [to("v1", matches=at("/anything/nothing"))],
                ["specific.but.wrong.com", "wildcard.io"],
                [{"sectionName": name} for name in ("exact", "wild", "wilder")],
                refused("NoMatchingListenerHostname"),
            ),
        ],
        [
            *_hosts("v1", HOSTS, "very.specific.com", "very.specific.com:1234", path="/anything/exact"),
            *_hosts("404", HOSTS, "very.specific.com", path="/headers"),
            *_hosts("404", HOSTS, "non.matching.com", "a.nonmatchingwildcard.io", path="/anything/exact"),
            *_hosts("404", HOSTS, "other.specific.com", "specific.com", path="/anything/exact"),
            *_hosts("v2", HOSTS, "foo.wildcard.io", "foo.bar.wildcard.io", path="/anything/wild"),
            *_hosts("404", HOSTS, "wildcard.io", "bar.wildcard.io", "non.matching.com", path="/anything/wild"),
            *_hosts("v3", HOSTS, "one.anotherwildcard.io", "one.two.anotherwildcard.io", path="/anything/wilder"),
            *_hosts("404", HOSTS, "anotherwildcard.io", path="/anything/wilder"),
            *_hosts("404", HOSTS, "wildcard.io", "specific.but.wrong.com", path="/anything/nothing"),
        ],
        [
            listener("exact", HOSTS, "very.specific.com"),
            listener("wild", HOSTS, "*.wildcard.io"),
            listener("wilder", HOSTS, "*.anotherwildcard.io"),
        ],
    ),
    "HTTPRouteListenerHostnameMatching": Feature(
        [
            Route([to("v1")], [], _to("bar")),
            Route([to("v2")], [], _to("foo-bar")),
            Route([to("v3")], [], [*_to("wild-bar"), *_to("wild-foo")]),
        ],
        [
            *_hosts("v1", NAMED, "bar.com"),
            *_hosts("v2", NAMED, "foo.bar.com"),
            *_hosts("v3", NAMED, "baz.bar.com", "boo.bar.com", "a.b.bar.com", "multiple.prefixes.foo.com"),
            *_hosts("404", NAMED, "foo.com", "no.matching.host", "bar.org"),
        ],
        [
            listener("bar", NAMED, "bar.com"),
            listener("foo-bar", NAMED, "foo.bar.com"),
            listener("wild-bar", NAMED, "*.bar.com"),
            listener("wild-foo", NAMED, "*.foo.com"),
        ],
    ),
    "GatewayHTTPListenerIsolation": _isolated(
        ("any", ""), ("example", "*.example.com"), ("deeper", "*.foo.example.com"), ("deepest", "abc.foo.example.com")
    ),
}
"""Which hosts of listeners and of routes meet."""


def _secure(name: str, port: int, secret: str, namespace: str = "default") -> dict[str, Any]:
    tls = {"certificateRefs": [{"name": secret, "namespace": namespace}]}
    return listener(name, port, f"{name}.example.com", "HTTPS", tls=tls)


def _over_tls(feature: str, secret: str, back: str, grants: Sequence[str] = (), kind: str = "Gateway") -> Feature:
    """A listener of a name of its own, whose Secret is in another namespace."""
    host = host_of(feature)
    listeners = [_secure(host.removesuffix(".example.com"), SECURE, secret, APART)]
    ask = Ask("/anything", back, port=SECURE, secure=True)
    if kind == "Gateway":
        return Feature([Route([to("v1")], parents=_to(listeners[0]["name"]))], [ask], listeners, grants)
    parent = {"kind": "ListenerSet", "name": "secure", "sectionName": listeners[0]["name"]}
    return Feature([Route([to("v1")], parents=[parent])], [ask], objects=[listener_set("secure", *listeners), *grants])


SECRETS = {
    "HTTPRouteHTTPSListener": Feature(
        [Route([to("v1")], ["https.example.com"], _to("https"))],
        [
            Ask("/anything", "v1", port=SECURE, secure=True, host="https.example.com"),
            Ask("/anything", "closed", port=SECURE, secure=True, host="stranger.example.com"),
        ],
        [_secure("https", SECURE, "web")],
    ),
    "GatewaySecretMissingReferenceGrant": _over_tls("GatewaySecretMissingReferenceGrant", "alone", "closed"),
    "GatewaySecretInvalidReferenceGrant": _over_tls(
        "GatewaySecretInvalidReferenceGrant",
        "alone",
        "closed",
        [
            grant("secret-wrong-namespace", "Gateway", "Secret", "alone", whence="elsewhere"),
            grant("secret-wrong-kind", "HTTPRoute", "Secret", "alone"),
            grant("secret-wrong-name", "Gateway", "Secret", "another"),
        ],
    ),
    "GatewaySecretReferenceGrantSpecific": _over_tls(
        "GatewaySecretReferenceGrantSpecific", "named", "v1", [grant("secret-named", "Gateway", "Secret", "named")]
    ),
    "GatewaySecretReferenceGrantAllInNamespace": Feature(
        [Route([to("v1")], [], _to("all-secrets"))],
        [Ask("/anything", "v1", host="all-secrets.example.com", port=SECURE, secure=True)],
        [_secure("all-secrets", SECURE, "every", "open")],
        [grant("secret-all", "Gateway", "Secret", namespace="open")],
    ),
    "ListenerSetReferenceGrant": _over_tls(
        "ListenerSetReferenceGrant",
        "of-set",
        "v1",
        [grant("secret-of-set", "ListenerSet", "Secret", "of-set")],
        "ListenerSet",
    ),
}
"""Whose certificates are shown."""


def _of_set(section: str = "", name: str = "set", **more: Any) -> dict[str, Any]:
    return {"kind": "ListenerSet", "name": name, **({"sectionName": section} if section else {}), **more}


def _far(section: str) -> dict[str, Any]:
    return _of_set(section, "far-set", namespace=APART)


SETS = {
    "ListenerSetHTTPRouting": Feature(
        [
            Route([to("v1")], parents=[_of_set("one")]),
            Route(
                [to("v2", matches=at("/headers"))], parents=[_of_set()], hosts=["one.example.net", "two.example.net"]
            ),
        ],
        [
            Ask("/anything", "v1", port=SET),
            *_hosts("v2", SET, "one.example.net", "two.example.net", path="/headers"),
            Ask("/anything", "404"),
        ],
        objects=[
            listener_set("set", listener("one", SET), listener("two", SET, "two.example.net")),
        ],
    ),
    "ListenerSetGatewayParentSectionNameNotFound": Feature(
        [Route([to("v1")], parents=_to("one"), conditions=refused("NoMatchingParent"))],
        [Ask("/anything", "404", port=SET), Ask("/anything", "404")],
    ),
    "ListenerSetRouteStatusScopedToParentRef": Feature(
        [
            Route([to("v1")], parents=[_of_set("one")]),
            Route([to("v1")], parents=[_of_set("gone")], conditions=refused("NoMatchingParent")),
        ],
        [Ask("/anything", "v1", port=SET), Ask("/anything", "404")],
    ),
    "ListenerSetDualParentRefIndependence": Feature(
        [Route([to("v1")], parents=[*_to("http"), _of_set("one")])],
        [Ask("/anything", "v1"), Ask("/anything", "v1", port=SET), Ask("/anything", "404", port=BY_PORT)],
    ),
    "ListenerSetAllowedRoutesNamespaces": Feature(
        [
            Route([backends(FAR)], ["same.example.com"], [_far("same")], namespace=APART),
            Route(
                [to("v1", matches=at("/headers"))],
                ["same.example.com"],
                [_far("same")],
                refused("NotAllowedByListeners"),
            ),
            Route([to("v1")], ["all.example.com"], [_far("all")]),
        ],
        [
            *_hosts("far", SET, "same.example.com"),
            *_hosts("far", SET, "same.example.com", path="/headers"),
            *_hosts("v1", SET, "all.example.com"),
        ],
        objects=[
            listener_set(
                "far-set",
                listener("same", SET, "same.example.com"),
                listener("all", SET, "all.example.com", allowedRoutes=admitting()),
                namespace=APART,
            )
        ],
    ),
    "ListenerSetHostnameConflict": Feature(
        [
            Route([to("v3")], ["two.example.net"], [_of_set("lost", "z-late")]),
            Route([to("v3")], ["three.example.net"], [_of_set("won", "z-late")]),
        ],
        [
            *_hosts("v2", SET, "two.example.net", path="/headers"),
            *_hosts("404", SET, "two.example.net"),
            *_hosts("v3", SET, "three.example.net"),
        ],
        objects=[
            listener_set("z-late", listener("lost", SET, "two.example.net"), listener("won", SET, "three.example.net"))
        ],
    ),
}
"""Listeners that ListenerSets add to the Gateway."""

FEATURES = {**NAMESPACES, **PORTS, **HOSTNAMES, **SECRETS, **SETS}
