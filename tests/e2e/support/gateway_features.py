"""Gateway API's HTTP features of Gateways: rules of routes, and the responses that clients get."""

from typing import Any

from tests.e2e.support.feature_cases import (
    HTTP,
    Feature,
    RequestCase,
    Route,
    backends,
    host_name,
    not_accepted,
    unresolved,
)
from tests.e2e.support.mesh_features import (
    BELOW,
    CHANGED,
    CHANGES,
    FULL,
    PLAIN,
    SENT,
    STAMP,
    STAMPED,
    fields,
    filters,
    path_matches,
    redirect_rule,
    rule_to,
)

ORG = "example.org"


def _single_route(*rules: dict[str, Any]) -> list[Route]:
    return [Route(rules)]


def _replace_prefix(path: str) -> dict[str, str]:
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": path}


def _requests_answered_by(back: str, *names: str) -> list[RequestCase]:
    return [RequestCase(f"/anything{name}", back) for name in names]


def _redirect(code: int) -> Feature:
    return Feature(
        _single_route(
            redirect_rule("/moved", hostname=ORG, statusCode=code), redirect_rule("/full", statusCode=code, path=FULL)
        ),
        [
            RequestCase("/moved/a", f"{code} http://{ORG}:{HTTP}/moved/a"),
            RequestCase("/full/a", f"{code} http://{host_name(f'HTTPRoute{code}Redirect')}:{HTTP}/anything/full"),
        ],
    )


MATCHES = {
    "HTTPRouteSimpleSameNamespace": Feature(
        _single_route(rule_to("v1")), [RequestCase("/anything", "v1"), RequestCase("/headers", "v1")]
    ),
    "HTTPRouteExactPathMatching": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/anything/one", "Exact")),
            rule_to("v2", matches=path_matches("/anything/two", "Exact")),
        ),
        [
            *_requests_answered_by("v1", "/one", "/one?a=b"),
            *_requests_answered_by("v2", "/two"),
            *_requests_answered_by("404", "", "/", "/one/", "/one/more", "/onemore", "/One", "/two/"),
        ],
    ),
    "HTTPRoutePathMatchOrder": Feature(
        _single_route(
            rule_to("v3", matches=path_matches("/anything/match")),
            rule_to("v1", matches=path_matches("/anything/match/prefix")),
            rule_to("v2", matches=path_matches("/anything/match/exact", "Exact")),
            rule_to("v1", matches=path_matches("/anything/match/exact")),
            rule_to("v2", matches=path_matches("/anything/match/prefix/one")),
            rule_to("v3", matches=path_matches("/anything/match/exact/one", "Exact")),
        ),
        [
            *_requests_answered_by("v2", "/match/exact", "/match/prefix/one", "/match/prefix/one/more"),
            *_requests_answered_by("v3", "/match/exact/one", "/match", "/match/", "/match/any"),
            *_requests_answered_by(
                "v1", "/match/exact/one/more", "/match/exact/", "/match/prefix", "/match/prefix/onemore"
            ),
        ],
    ),
    "HTTPRouteMatching": Feature(
        _single_route(
            rule_to("v1", matches=[*path_matches("/anything"), *path_matches("/", headers=fields("version", "one"))]),
            rule_to(
                "v2", matches=[*path_matches("/anything/v2"), *path_matches("/", headers=fields("version", "two"))]
            ),
        ),
        [
            *_requests_answered_by("v1", "", "/example", "/v2example"),
            *_requests_answered_by("v2", "/v2", "/v2/", "/v2/example"),
            RequestCase("/headers", "v1", {"Version": "one"}),
            RequestCase("/headers", "v2", {"version": "two"}),
            RequestCase("/anything/v2", "v2", {"version": "one"}),
            RequestCase("/headers", "404"),
        ],
    ),
    "HTTPRouteMatchingAcrossRoutes": Feature(
        [
            Route(
                [
                    rule_to(
                        "v1", matches=[*path_matches("/anything"), *path_matches("/", headers=fields("version", "one"))]
                    )
                ],
                ["across.com", "across.net"],
            ),
            Route(
                [
                    rule_to(
                        "v2",
                        matches=[*path_matches("/anything/v2"), *path_matches("/", headers=fields("version", "two"))],
                    )
                ],
                ["across.com"],
            ),
        ],
        [
            RequestCase("/anything", "v1", host="across.com"),
            RequestCase("/anything", "v1", host="across.net"),
            RequestCase("/headers", "v1", {"version": "one"}, host="across.com"),
            RequestCase("/anything/example", "v1", host="across.net"),
            RequestCase("/anything/v2", "v1", host="across.net"),
            RequestCase("/anything/v2", "v2", host="across.com"),
            RequestCase("/anything/v2example", "v1", host="across.com"),
            RequestCase("/headers", "v2", {"version": "two"}, host="across.com"),
            RequestCase("/headers", "404", {"version": "two"}, host="across.net"),
        ],
    ),
    "HTTPRouteHeaderMatching": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/", headers=fields("version", "one"))),
            rule_to("v2", matches=path_matches("/", headers=fields("version", "two"))),
            rule_to("v3", matches=path_matches("/", headers=[*fields("version", "two"), *fields("color", "orange")])),
            rule_to("v1", matches=[{"headers": fields("color", "blue")}, {"headers": fields("color", "green")}]),
        ),
        [
            RequestCase("/anything", "v1", {"Version": "one"}),
            RequestCase("/anything", "v2", {"version": "two"}),
            RequestCase("/anything", "v3", {"Version": "two", "Color": "orange"}),
            RequestCase("/anything", "v1", {"color": "blue"}),
            RequestCase("/anything", "v1", {"color": "green"}),
            RequestCase("/anything", "404", {"color": "orange"}),
            RequestCase("/anything", "404", {"version": "One"}),
            RequestCase("/anything", "404"),
        ],
    ),
    "HTTPRouteMethodMatching": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/", method="POST")),
            rule_to("v2", matches=path_matches("/", method="GET")),
            rule_to("v3", matches=path_matches("/anything/path", method="PUT")),
            rule_to("v2", matches=path_matches("/anything/exact", "Exact")),
            rule_to("v1", matches=path_matches("/anything/exact", "Exact", method="PATCH")),
            rule_to("v3", matches=path_matches("/anything/head", headers=fields("a", "b"))),
            rule_to("v1", matches=path_matches("/anything/head", method="DELETE")),
        ),
        [
            RequestCase("/anything", "v1", method="POST"),
            RequestCase("/anything", "v2", method="GET"),
            RequestCase("/anything", "404", method="DELETE"),
            RequestCase("/anything/path/a", "v3", method="PUT"),
            RequestCase("/anything/path/a", "v1", method="POST"),
            RequestCase("/anything/exact", "v1", method="PATCH"),
            RequestCase("/anything/exact", "v2", method="POST"),
            RequestCase("/anything/head", "v1", {"a": "b"}, method="DELETE"),
            RequestCase("/anything/head", "v3", {"a": "b"}, method="GET"),
        ],
    ),
    "HTTPRouteQueryParamMatching": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/", queryParams=fields("animal", "whale"))),
            rule_to("v2", matches=path_matches("/", queryParams=fields("animal", "dolphin"))),
            rule_to(
                "v3", matches=path_matches("/", queryParams=[*fields("animal", "dolphin"), *fields("color", "blue")])
            ),
            rule_to("v1", matches=path_matches("/anything/deep", queryParams=fields("animal", "dolphin"))),
            rule_to("v2", matches=path_matches("/", headers=fields("a", "b"), queryParams=fields("animal", "whale"))),
        ),
        [
            *_requests_answered_by("v1", "?animal=whale", "?a=b&animal=whale", "/deep?animal=dolphin&color=blue"),
            *_requests_answered_by("v2", "?animal=dolphin", "?animal=dolphin&color=yellow"),
            *_requests_answered_by("v3", "?animal=dolphin&color=blue", "?color=blue&animal=dolphin"),
            *_requests_answered_by("404", "", "?animal=hydra", "?Animal=whale", "?color=blue"),
            RequestCase("/anything?animal=whale", "v2", {"a": "b"}),
        ],
    ),
    "HTTPRouteNamedRule": Feature(
        _single_route(
            rule_to("v1", name="first", matches=path_matches("/anything")),
            rule_to("v2", name="second", matches=path_matches("/headers")),
        ),
        [RequestCase("/anything", "v1"), RequestCase("/headers", "v2")],
    ),
    "HTTPRouteNoBackendRefs": Feature(
        _single_route({"matches": path_matches("/omitted")}, {"matches": path_matches("/empty"), "backendRefs": []}),
        [RequestCase("/omitted", "500"), RequestCase("/empty", "500")],
    ),
    "HTTPRouteInvalidBackendRefUnknownKind": Feature(
        [Route([backends({"kind": "Magic"})], conditions=unresolved("InvalidKind"))], [RequestCase("/anything", "500")]
    ),
    "HTTPRouteInvalidNonExistentBackendRef": Feature(
        [
            Route(
                [
                    backends({"name": "gone"}, matches=path_matches("/gone")),
                    rule_to("v1", matches=path_matches("/anything")),
                ],
                conditions=unresolved("BackendNotFound"),
            )
        ],
        [RequestCase("/gone", "500"), RequestCase("/anything", "v1")],
    ),
    "HTTPRouteInvalidParentRefNotMatchingSectionName": Feature(
        [Route([rule_to("v1")], parents=[{"sectionName": "gone"}], conditions=not_accepted("NoMatchingParent"))],
        [RequestCase("/anything", "404")],
    ),
}
"""Which rule matches, and the status of requests without a backend."""

FILTERS = {
    "HTTPRouteRequestHeaderModifier": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/headers"), filters=filters("RequestHeaderModifier", CHANGES)),
            rule_to(
                "v1",
                matches=path_matches("/anything/none"),
                filters=filters("RequestHeaderModifier", {"remove": ["X-GONE"]}),
            ),
        ),
        [
            RequestCase("/headers", "v1", SENT, CHANGED),
            RequestCase("/headers", "v1", backend_headers={"x-set": "rule", "x-add": "rule", "x-gone": None}),
            RequestCase("/anything/none", "v1", SENT, {"x-set": "mine", "x-gone": None}),
        ],
    ),
    "HTTPRouteBackendRequestHeaderModifier": Feature(
        _single_route(backends({"name": "v1", "filters": filters("RequestHeaderModifier", CHANGES)})),
        [RequestCase("/headers", "v1", SENT, CHANGED)],
    ),
    "HTTPRouteResponseHeaderModifier": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/anything/set"), filters=STAMP),
            rule_to(
                "v1",
                matches=path_matches("/anything/more"),
                filters=filters(
                    "ResponseHeaderModifier",
                    {"set": fields("X-Workload", "rule"), "add": fields("X-Add", "rule"), "remove": ["Content-Type"]},
                ),
            ),
            rule_to("v1"),
        ),
        [
            RequestCase("/anything/set", "v1", response_headers=STAMPED),
            RequestCase("/anything/more", "rule", response_headers={"X-Add": "rule", "Content-Type": None}),
            RequestCase("/anything", "v1", response_headers=PLAIN),
        ],
    ),
    "HTTPRouteRewriteHost": Feature(
        _single_route(
            rule_to(
                "v1",
                matches=path_matches("/anything/one"),
                filters=filters("URLRewrite", {"hostname": "one.example.org"}),
            ),
            rule_to("v2", filters=filters("URLRewrite", {"hostname": "rest.example.org"})),
        ),
        [
            RequestCase("/anything/one", "v1", backend_host="one.example.org"),
            RequestCase("/anything", "v2", backend_host="rest.example.org"),
        ],
    ),
    "HTTPRouteRewritePath": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/prefix/one"), filters=filters("URLRewrite", {"path": BELOW})),
            rule_to(
                "v1", matches=path_matches("/strip"), filters=filters("URLRewrite", {"path": _replace_prefix("/")})
            ),
            rule_to(
                "v1",
                matches=path_matches("/slash/"),
                filters=filters("URLRewrite", {"path": _replace_prefix("/anything/")}),
            ),
            rule_to("v1", matches=path_matches("/whole"), filters=filters("URLRewrite", {"path": FULL})),
            rule_to(
                "v1",
                matches=path_matches("/changed"),
                filters=[*filters("URLRewrite", {"path": BELOW}), *filters("RequestHeaderModifier", CHANGES)],
            ),
        ),
        [
            RequestCase("/prefix/one/two?a=b", "v1", backend_path="/anything/two?a=b"),
            RequestCase("/prefix/one", "v1", backend_path="/anything"),
            RequestCase("/strip/headers", "v1", backend_path="/headers"),
            RequestCase("/strip/anything/", "v1", backend_path="/anything/"),
            RequestCase("/slash/one", "v1", backend_path="/anything/one"),
            RequestCase("/slash", "v1", backend_path="/anything"),
            RequestCase("/whole/one/two?a=b", "v1", backend_path="/anything/full?a=b"),
            RequestCase("/changed/one", "v1", SENT, CHANGED, backend_path="/anything/one"),
        ],
    ),
    "HTTPRouteBackendURLRewrite": Feature(
        _single_route(
            backends(
                {"filters": filters("URLRewrite", {"hostname": "of.example.org", "path": BELOW})},
                matches=path_matches("/below"),
            ),
            backends({"filters": filters("URLRewrite", {"path": FULL})}, matches=path_matches("/whole")),
        ),
        [
            RequestCase("/below/one", "v1", backend_path="/anything/one", backend_host="of.example.org"),
            RequestCase("/whole/one", "v1", backend_path="/anything/full"),
        ],
    ),
    "HTTPRouteBackendRequestRedirect": Feature(
        _single_route(
            backends({"filters": filters("RequestRedirect", {"hostname": ORG})}, matches=path_matches("/host")),
            backends(
                {"filters": filters("RequestRedirect", {"path": FULL, "statusCode": 301})},
                matches=path_matches("/full"),
            ),
        ),
        [
            RequestCase("/host/a", f"302 http://{ORG}:{HTTP}/host/a"),
            RequestCase("/full/a", f"301 http://{host_name('HTTPRouteBackendRequestRedirect')}:{HTTP}/anything/full"),
        ],
    ),
    "HTTPRouteRedirectHostAndStatus": Feature(
        _single_route(
            redirect_rule("/found", hostname=ORG),
            redirect_rule("/moved", hostname=ORG, statusCode=301),
            redirect_rule("/same", statusCode=301),
        ),
        [
            RequestCase("/found?a=b", f"302 http://{ORG}:{HTTP}/found?a=b"),
            RequestCase("/moved/a", f"301 http://{ORG}:{HTTP}/moved/a"),
            RequestCase("/same", f"301 http://{host_name('HTTPRouteRedirectHostAndStatus')}:{HTTP}/same"),
        ],
    ),
    **{f"HTTPRoute{code}Redirect": _redirect(code) for code in (303, 307, 308)},
    "HTTPRouteRedirectPath": Feature(
        _single_route(
            redirect_rule("/one", hostname=ORG, path=_replace_prefix("/two")),
            redirect_rule("/strip", hostname=ORG, path=_replace_prefix("/")),
            redirect_rule("/whole", hostname=ORG, path={**FULL, "replaceFullPath": "/new"}),
            redirect_rule("/status", statusCode=301, path=_replace_prefix("/two")),
        ),
        [
            RequestCase("/one/a?b=c", f"302 http://{ORG}:{HTTP}/two/a?b=c"),
            RequestCase("/one", f"302 http://{ORG}:{HTTP}/two"),
            RequestCase("/strip/a", f"302 http://{ORG}:{HTTP}/a"),
            RequestCase("/strip", f"302 http://{ORG}:{HTTP}/"),
            RequestCase("/whole/a", f"302 http://{ORG}:{HTTP}/new"),
            RequestCase("/status/a", f"301 http://{host_name('HTTPRouteRedirectPath')}:{HTTP}/two/a"),
        ],
    ),
    "HTTPRouteRedirectPort": Feature(
        _single_route(
            redirect_rule("/port", port=8083),
            redirect_rule("/host", hostname=ORG, port=8083),
            redirect_rule("/usual", hostname=ORG, port=80),
            redirect_rule("/path", port=8083, path=_replace_prefix("/two")),
        ),
        [
            RequestCase("/port", f"302 http://{host_name('HTTPRouteRedirectPort')}:8083/port"),
            RequestCase("/host", f"302 http://{ORG}:8083/host"),
            RequestCase("/usual", f"302 http://{ORG}/usual"),
            RequestCase("/path/a", f"302 http://{host_name('HTTPRouteRedirectPort')}:8083/two/a"),
        ],
    ),
    "HTTPRouteRedirectScheme": Feature(
        _single_route(
            redirect_rule("/https", scheme="https"),
            redirect_rule("/host", hostname=ORG, scheme="https"),
            redirect_rule("/http", scheme="http"),
            redirect_rule("/status", scheme="https", statusCode=301),
        ),
        [
            RequestCase("/https", f"302 https://{host_name('HTTPRouteRedirectScheme')}/https"),
            RequestCase("/host", f"302 https://{ORG}/host"),
            RequestCase("/http", f"302 http://{host_name('HTTPRouteRedirectScheme')}/http"),
            RequestCase("/status", f"301 https://{host_name('HTTPRouteRedirectScheme')}/status"),
        ],
    ),
    "HTTPRouteTimeoutRequest": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/delay/5"), timeouts={"request": "100ms"}),
            rule_to("v1", matches=path_matches("/delay/0.3"), timeouts={"request": "0s"}),
            rule_to("v1", matches=path_matches("/anything"), timeouts={"request": "10s"}),
        ),
        [RequestCase("/delay/5", "504"), RequestCase("/delay/0.3", "v1"), RequestCase("/anything", "v1")],
    ),
    "HTTPRouteTimeoutBackendRequest": Feature(
        _single_route(
            rule_to("v1", matches=path_matches("/delay/5"), timeouts={"backendRequest": "100ms"}),
            rule_to("v1", matches=path_matches("/delay/0.3"), timeouts={"request": "0s", "backendRequest": "0s"}),
        ),
        [RequestCase("/delay/5", "504"), RequestCase("/delay/0.3", "v1")],
    ),
}
"""What the filters of rules and backends do to requests and responses."""
