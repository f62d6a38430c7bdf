"""Gateway API's HTTP features of listeners: hosts, ports, namespaces, Secrets, ListenerSets."""

from collections.abc import Sequence
from typing import Any

from tests.e2e.support.feature_cases import (
    HTTP,
    OTHER_NAMESPACE,
    Feature,
    RequestCase,
    Route,
    allowed_from,
    backends,
    grant,
    host_name,
    listener,
    listener_set,
    not_accepted,
    unresolved,
)
from tests.e2e.support.mesh_features import path_matches, redirect_rule, rule_to

ANY_NAMESPACE, HOSTS, NAMED, ISOLATED, BY_PORT, OTHER_PORT, SET, SECURE = range(18101, 18109)
SCHEME = 18109
FAR = {"name": "far", "namespace": OTHER_NAMESPACE}
ORG = "example.org"


def _parents(section: str, **more: Any) -> list[dict[str, Any]]:
    return [{"sectionName": section, **more}]


def _hosts(back: str, port: int, *hosts: str, path: str = "/anything") -> list[RequestCase]:
    return [RequestCase(path, back, host=host, port=port) for host in hosts]


NAMESPACES = {
    "HTTPRouteCrossNamespace": Feature(
        [
            Route(
                [rule_to("v1")],
                parents=_parents("anybody"),
                namespace=OTHER_NAMESPACE,
                conditions=unresolved("RefNotPermitted"),
            ),
            Route(
                [backends(FAR, matches=path_matches("/headers"))],
                parents=_parents("anybody"),
                namespace=OTHER_NAMESPACE,
            ),
            Route([backends(FAR)], ["chosen.example.com"], _parents("chosen"), namespace=OTHER_NAMESPACE),
            Route(
                [rule_to("v1")], ["rejected.example.com"], _parents("rejected"), not_accepted("NotAllowedByListeners")
            ),
        ],
        [
            RequestCase("/anything", "500", port=ANY_NAMESPACE),
            RequestCase("/headers", "far", port=ANY_NAMESPACE),
            RequestCase("/headers", "404"),
            *_hosts("far", ANY_NAMESPACE, "chosen.example.com"),
            *_hosts("404", ANY_NAMESPACE, "rejected.example.com"),
        ],
        [
            listener("anybody", ANY_NAMESPACE, "*.example.com", allowedRoutes=allowed_from()),
            listener("chosen", ANY_NAMESPACE, "chosen.example.com", allowedRoutes=allowed_from(side="apart")),
            listener("rejected", ANY_NAMESPACE, "rejected.example.com", allowedRoutes=allowed_from(side="nobody")),
        ],
    ),
    "HTTPRouteInvalidCrossNamespaceParentRef": Feature(
        [Route([backends(FAR)], namespace=OTHER_NAMESPACE, conditions=not_accepted("NotAllowedByListeners"))],
        [RequestCase("/anything", "404")],
    ),
    "HTTPRouteInvalidCrossNamespaceBackendRef": Feature(
        [Route([backends({**FAR, "name": "alone"})], conditions=unresolved("RefNotPermitted"))],
        [RequestCase("/anything", "500")],
    ),
    "HTTPRouteInvalidReferenceGrant": Feature(
        [Route([backends({**FAR, "name": "alone"})], conditions=unresolved("RefNotPermitted"))],
        [RequestCase("/anything", "500")],
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
                    backends({**FAR, "name": "alone"}, matches=path_matches("/anything/alone")),
                    backends(FAR, matches=path_matches("/anything")),
                    rule_to("v1", matches=path_matches("/headers")),
                ],
                conditions=unresolved("RefNotPermitted"),
            )
        ],
        [RequestCase("/anything/alone", "500"), RequestCase("/anything", "far"), RequestCase("/headers", "v1")],
    ),
    "HTTPRouteReferenceGrant": Feature(
        [Route([backends(FAR)])], [RequestCase("/anything", "far")], objects=[grant("far", "HTTPRoute", target="far")]
    ),
}
"""Routes and backends across namespaces."""

PORTS = {
    "HTTPRouteInvalidParentRefNotMatchingListenerPort": Feature(
        [Route([rule_to("v1")], parents=[{"port": 81}], conditions=not_accepted("NoMatchingParent"))],
        [RequestCase("/anything", "404")],
    ),
    "HTTPRouteInvalidParentRefSectionNameNotMatchingPort": Feature(
        [
            Route(
                [rule_to("v1")],
                parents=[{"sectionName": "http", "port": BY_PORT}],
                conditions=not_accepted("NoMatchingParent"),
            )
        ],
        [RequestCase("/anything", "404"), RequestCase("/anything", "404", port=BY_PORT)],
    ),
    "HTTPRouteListenerPortMatching": Feature(
        [
            Route([rule_to("v1")], parents=[{"port": BY_PORT}]),
            Route([rule_to("v2")], parents=[{"port": OTHER_PORT, "sectionName": "other-port"}]),
            Route([rule_to("v3")], ["every-port.example.com"], [{}]),
        ],
        [
            RequestCase("/anything", "v1", port=BY_PORT),
            RequestCase("/anything", "v2", port=OTHER_PORT),
            RequestCase("/anything", "404"),
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
                    redirect_rule("/neither", hostname=ORG),
                    redirect_rule("/port", hostname=ORG, port=80),
                    redirect_rule("/scheme", hostname=ORG, scheme="http"),
                    redirect_rule("/https", hostname=ORG, scheme="https"),
                    redirect_rule("/http-8080", hostname=ORG, scheme="http", port=8080),
                    redirect_rule("/http-80", hostname=ORG, scheme="http", port=80),
                    redirect_rule("/https-443", hostname=ORG, scheme="https", port=443),
                    redirect_rule("/https-8443", hostname=ORG, scheme="https", port=8443),
                ],
                [ORG],
                [{"sectionName": "port-8080"}, {"sectionName": "secure-scheme"}],
            )
        ],
        [
            *(
                RequestCase(path, f"302 {where}/{path.strip('/')}", host=ORG, port=port, secure=secure)
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
"""Routes by port, and the ports of redirects."""


def _section_route(section: str, back: str, *hosts: str, **more: Any) -> Route:
    return Route([rule_to(back, matches=path_matches(f"/anything/{section}"))], hosts, _parents(section), **more)


def _isolation_feature(*sections: tuple[str, str]) -> Feature:
    """Listeners with nested hostnames on a port; each has a route for all hosts."""
    hosts = ["bar.com", "*.example.com", "*.foo.example.com", "abc.foo.example.com"]
    requested_hosts = ["bar.com", "bar.example.com", "bar.foo.example.com", "abc.foo.example.com"]
    names = [section for section, _ in sections]
    return Feature(
        [
            Route([rule_to("v1", matches=path_matches(f"/anything/{section}"))], hosts, _parents(section))
            for section in names
        ],
        [
            RequestCase(f"/anything/{section}", "v1" if names.index(section) == i else "404", host=host, port=ISOLATED)
            for section in names
            for i, host in enumerate(requested_hosts)
        ],
        [listener(section, ISOLATED, host) for section, host in sections],
    )


HOSTNAMES = {
    "HTTPRouteHostnameIntersection": Feature(
        [
            _section_route("exact", "v1", "non.matching.com", "*.nonmatchingwildcard.io", "very.specific.com"),
            _section_route("exact", "v1", "*.specific.com", "other.specific.net"),
            _section_route("wild", "v2", "non.matching.com", "wildcard.io", "foo.wildcard.io", "foo.bar.wildcard.io"),
            _section_route("wilder", "v3", "*.anotherwildcard.io", "*.deep.anotherwildcard.io"),
            Route(
                [rule_to("v1", matches=path_matches("/anything/nothing"))],
                ["specific.but.wrong.com", "wildcard.io"],
                [{"sectionName": name} for name in ("exact", "wild", "wilder")],
                not_accepted("NoMatchingListenerHostname"),
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
            Route([rule_to("v1")], [], _parents("bar")),
            Route([rule_to("v2")], [], _parents("foo-bar")),
            Route([rule_to("v3")], [], [*_parents("wild-bar"), *_parents("wild-foo")]),
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
    "GatewayHTTPListenerIsolation": _isolation_feature(
        ("any", ""), ("example", "*.example.com"), ("deeper", "*.foo.example.com"), ("deepest", "abc.foo.example.com")
    ),
}
"""Intersections of the hostnames of listeners and routes."""


def _secure(name: str, port: int, secret: str, namespace: str = "default") -> dict[str, Any]:
    tls = {"certificateRefs": [{"name": secret, "namespace": namespace}]}
    return listener(name, port, f"{name}.example.com", "HTTPS", tls=tls)


def _secret_feature(feature: str, secret: str, back: str, grants: Sequence[str] = (), kind: str = "Gateway") -> Feature:
    """A listener with its own hostname, whose Secret is in another namespace."""
    host = host_name(feature)
    listeners = [_secure(host.removesuffix(".example.com"), SECURE, secret, OTHER_NAMESPACE)]
    ask = RequestCase("/anything", back, port=SECURE, secure=True)
    if kind == "Gateway":
        return Feature([Route([rule_to("v1")], parents=_parents(listeners[0]["name"]))], [ask], listeners, grants)
    parent = {"kind": "ListenerSet", "name": "secure", "sectionName": listeners[0]["name"]}
    return Feature(
        [Route([rule_to("v1")], parents=[parent])], [ask], objects=[listener_set("secure", *listeners), *grants]
    )


SECRETS = {
    "HTTPRouteHTTPSListener": Feature(
        [Route([rule_to("v1")], ["https.example.com"], _parents("https"))],
        [
            RequestCase("/anything", "v1", port=SECURE, secure=True, host="https.example.com"),
            RequestCase("/anything", "closed", port=SECURE, secure=True, host="stranger.example.com"),
        ],
        [_secure("https", SECURE, "web")],
    ),
    "GatewaySecretMissingReferenceGrant": _secret_feature("GatewaySecretMissingReferenceGrant", "alone", "closed"),
    "GatewaySecretInvalidReferenceGrant": _secret_feature(
        "GatewaySecretInvalidReferenceGrant",
        "alone",
        "closed",
        [
            grant("secret-wrong-namespace", "Gateway", "Secret", "alone", whence="elsewhere"),
            grant("secret-wrong-kind", "HTTPRoute", "Secret", "alone"),
            grant("secret-wrong-name", "Gateway", "Secret", "another"),
        ],
    ),
    "GatewaySecretReferenceGrantSpecific": _secret_feature(
        "GatewaySecretReferenceGrantSpecific", "named", "v1", [grant("secret-named", "Gateway", "Secret", "named")]
    ),
    "GatewaySecretReferenceGrantAllInNamespace": Feature(
        [Route([rule_to("v1")], [], _parents("all-secrets"))],
        [RequestCase("/anything", "v1", host="all-secrets.example.com", port=SECURE, secure=True)],
        [_secure("all-secrets", SECURE, "every", "open")],
        [grant("secret-all", "Gateway", "Secret", namespace="open")],
    ),
    "ListenerSetReferenceGrant": _secret_feature(
        "ListenerSetReferenceGrant",
        "of-set",
        "v1",
        [grant("secret-of-set", "ListenerSet", "Secret", "of-set")],
        "ListenerSet",
    ),
}
"""Which certificates are presented."""


def _set_parent(section: str = "", name: str = "set", **more: Any) -> dict[str, Any]:
    return {"kind": "ListenerSet", "name": name, **({"sectionName": section} if section else {}), **more}


def _far_set_parent(section: str) -> dict[str, Any]:
    return _set_parent(section, "far-set", namespace=OTHER_NAMESPACE)


SETS = {
    "ListenerSetHTTPRouting": Feature(
        [
            Route([rule_to("v1")], parents=[_set_parent("one")]),
            Route(
                [rule_to("v2", matches=path_matches("/headers"))],
                parents=[_set_parent()],
                hosts=["one.example.net", "two.example.net"],
            ),
        ],
        [
            RequestCase("/anything", "v1", port=SET),
            *_hosts("v2", SET, "one.example.net", "two.example.net", path="/headers"),
            RequestCase("/anything", "404"),
        ],
        objects=[
            listener_set("set", listener("one", SET), listener("two", SET, "two.example.net")),
        ],
    ),
    "ListenerSetGatewayParentSectionNameNotFound": Feature(
        [Route([rule_to("v1")], parents=_parents("one"), conditions=not_accepted("NoMatchingParent"))],
        [RequestCase("/anything", "404", port=SET), RequestCase("/anything", "404")],
    ),
    "ListenerSetRouteStatusScopedToParentRef": Feature(
        [
            Route([rule_to("v1")], parents=[_set_parent("one")]),
            Route([rule_to("v1")], parents=[_set_parent("gone")], conditions=not_accepted("NoMatchingParent")),
        ],
        [RequestCase("/anything", "v1", port=SET), RequestCase("/anything", "404")],
    ),
    "ListenerSetDualParentRefIndependence": Feature(
        [Route([rule_to("v1")], parents=[*_parents("http"), _set_parent("one")])],
        [
            RequestCase("/anything", "v1"),
            RequestCase("/anything", "v1", port=SET),
            RequestCase("/anything", "404", port=BY_PORT),
        ],
    ),
    "ListenerSetAllowedRoutesNamespaces": Feature(
        [
            Route([backends(FAR)], ["same.example.com"], [_far_set_parent("same")], namespace=OTHER_NAMESPACE),
            Route(
                [rule_to("v1", matches=path_matches("/headers"))],
                ["same.example.com"],
                [_far_set_parent("same")],
                not_accepted("NotAllowedByListeners"),
            ),
            Route([rule_to("v1")], ["all.example.com"], [_far_set_parent("all")]),
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
                listener("all", SET, "all.example.com", allowedRoutes=allowed_from()),
                namespace=OTHER_NAMESPACE,
            )
        ],
    ),
    "ListenerSetHostnameConflict": Feature(
        [
            Route([rule_to("v3")], ["two.example.net"], [_set_parent("lost", "z-late")]),
            Route([rule_to("v3")], ["three.example.net"], [_set_parent("won", "z-late")]),
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
