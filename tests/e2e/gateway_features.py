"""The features that Gateway API names for HTTP at Gateways: rules of routes, and what clients notice of them."""

from typing import Any

from tests.e2e.feature_cases import HTTP, Ask, Feature, Route, backends, host_of, refused, unresolved
from tests.e2e.mesh_features import (
    BELOW,
    CHANGED,
    CHANGES,
    FULL,
    PLAIN,
    SENT,
    STAMP,
    STAMPED,
    at,
    fields,
    filters,
    moved,
    to,
)

ORG = "example.org"


def _one(*rules: dict[str, Any]) -> list[Route]:
    return [Route(rules)]


def _below(path: str) -> dict[str, str]:
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": path}


def _answering(back: str, *names: str) -> list[Ask]:
    return [Ask(f"/anything{name}", back) for name in names]


def _redirect(code: int) -> Feature:
    return Feature(
        _one(moved("/moved", hostname=ORG, statusCode=code), moved("/full", statusCode=code, path=FULL)),
        [
            Ask("/moved/a", f"{code} http://{ORG}:{HTTP}/moved/a"),
            Ask("/full/a", f"{code} http://{host_of(f'HTTPRoute{code}Redirect')}:{HTTP}/anything/full"),
        ],
    )


MATCHES = {
    "HTTPRouteSimpleSameNamespace": Feature(_one(to("v1")), [Ask("/anything", "v1"), Ask("/headers", "v1")]),
    "HTTPRouteExactPathMatching": Feature(
        _one(to("v1", matches=at("/anything/one", "Exact")), to("v2", matches=at("/anything/two", "Exact"))),
        [
            *_answering("v1", "/one", "/one?a=b"),
            *_answering("v2", "/two"),
            *_answering("404", "", "/", "/one/", "/one/more", "/onemore", "/One", "/two/"),
        ],
    ),
    "HTTPRoutePathMatchOrder": Feature(
        _one(
            to("v3", matches=at("/anything/match")),
            to("v1", matches=at("/anything/match/prefix")),
            to("v2", matches=at("/anything/match/exact", "Exact")),
            to("v1", matches=at("/anything/match/exact")),
            to("v2", matches=at("/anything/match/prefix/one")),
            to("v3", matches=at("/anything/match/exact/one", "Exact")),
        ),
        [
            *_answering("v2", "/match/exact", "/match/prefix/one", "/match/prefix/one/more"),
            *_answering("v3", "/match/exact/one", "/match", "/match/", "/match/any"),
            *_answering("v1", "/match/exact/one/more", "/match/exact/", "/match/prefix", "/match/prefix/onemore"),
        ],
    ),
    "HTTPRouteMatching": Feature(
        _one(
            to("v1", matches=[*at("/anything"), *at("/", headers=fields("version", "one"))]),
            to("v2", matches=[*at("/anything/v2"), *at("/", headers=fields("version", "two"))]),
        ),
        [
            *_answering("v1", "", "/example", "/v2example"),
            *_answering("v2", "/v2", "/v2/", "/v2/example"),
            Ask("/headers", "v1", {"Version": "one"}),
            Ask("/headers", "v2", {"version": "two"}),
            Ask("/anything/v2", "v2", {"version": "one"}),
            Ask("/headers", "404"),
        ],
    ),
    "HTTPRouteMatchingAcrossRoutes": Feature(
        [
            Route(
                [to("v1", matches=[*at("/anything"), *at("/", headers=fields("version", "one"))])],
                ["across.com", "across.net"],
            ),
            Route(
                [to("v2", matches=[*at("/anything/v2"), *at("/", headers=fields("version", "two"))])], ["across.com"]
            ),
        ],
        [
            Ask("/anything", "v1", host="across.com"),
            Ask("/anything", "v1", host="across.net"),
            Ask("/headers", "v1", {"version": "one"}, host="across.com"),
            Ask("/anything/example", "v1", host="across.net"),
            Ask("/anything/v2", "v1", host="across.net"),
            Ask("/anything/v2", "v2", host="across.com"),
            Ask("/anything/v2example", "v1", host="across.com"),
            Ask("/headers", "v2", {"version": "two"}, host="across.com"),
            Ask("/headers", "404", {"version": "two"}, host="across.net"),
        ],
    ),
    "HTTPRouteHeaderMatching": Feature(
        _one(
            to("v1", matches=at("/", headers=fields("version", "one"))),
            to("v2", matches=at("/", headers=fields("version", "two"))),
            to("v3", matches=at("/", headers=[*fields("version", "two"), *fields("color", "orange")])),
            to("v1", matches=[{"headers": fields("color", "blue")}, {"headers": fields("color", "green")}]),
        ),
        [
            Ask("/anything", "v1", {"Version": "one"}),
            Ask("/anything", "v2", {"version": "two"}),
            Ask("/anything", "v3", {"Version": "two", "Color": "orange"}),
            Ask("/anything", "v1", {"color": "blue"}),
            Ask("/anything", "v1", {"color": "green"}),
            Ask("/anything", "404", {"color": "orange"}),
            Ask("/anything", "404", {"version": "One"}),
            Ask("/anything", "404"),
        ],
    ),
    "HTTPRouteMethodMatching": Feature(
        _one(
            to("v1", matches=at("/", method="POST")),
            to("v2", matches=at("/", method="GET")),
            to("v3", matches=at("/anything/path", method="PUT")),
            to("v2", matches=at("/anything/exact", "Exact")),
            to("v1", matches=at("/anything/exact", "Exact", method="PATCH")),
            to("v3", matches=at("/anything/head", headers=fields("a", "b"))),
            to("v1", matches=at("/anything/head", method="DELETE")),
        ),
        [
            Ask("/anything", "v1", method="POST"),
            Ask("/anything", "v2", method="GET"),
            Ask("/anything", "404", method="DELETE"),
            Ask("/anything/path/a", "v3", method="PUT"),
            Ask("/anything/path/a", "v1", method="POST"),
            Ask("/anything/exact", "v1", method="PATCH"),
            Ask("/anything/exact", "v2", method="POST"),
            Ask("/anything/head", "v1", {"a": "b"}, method="DELETE"),
            Ask("/anything/head", "v3", {"a": "b"}, method="GET"),
        ],
    ),
    "HTTPRouteQueryParamMatching": Feature(
        _one(
            to("v1", matches=at("/", queryParams=fields("animal", "whale"))),
            to("v2", matches=at("/", queryParams=fields("animal", "dolphin"))),
            to("v3", matches=at("/", queryParams=[*fields("animal", "dolphin"), *fields("color", "blue")])),
            to("v1", matches=at("/anything/deep", queryParams=fields("animal", "dolphin"))),
            to("v2", matches=at("/", headers=fields("a", "b"), queryParams=fields("animal", "whale"))),
        ),
        [
            *_answering("v1", "?animal=whale", "?a=b&animal=whale", "/deep?animal=dolphin&color=blue"),
            *_answering("v2", "?animal=dolphin", "?animal=dolphin&color=yellow"),
            *_answering("v3", "?animal=dolphin&color=blue", "?color=blue&animal=dolphin"),
            *_answering("404", "", "?animal=hydra", "?Animal=whale", "?color=blue"),
            Ask("/anything?animal=whale", "v2", {"a": "b"}),
        ],
    ),
    "HTTPRouteNamedRule": Feature(
        _one(to("v1", name="first", matches=at("/anything")), to("v2", name="second", matches=at("/headers"))),
        [Ask("/anything", "v1"), Ask("/headers", "v2")],
    ),
    "HTTPRouteNoBackendRefs": Feature(
        _one({"matches": at("/omitted")}, {"matches": at("/empty"), "backendRefs": []}),
        [Ask("/omitted", "500"), Ask("/empty", "500")],
    ),
    "HTTPRouteInvalidBackendRefUnknownKind": Feature(
        [Route([backends({"kind": "Magic"})], conditions=unresolved("InvalidKind"))], [Ask("/anything", "500")]
    ),
    "HTTPRouteInvalidNonExistentBackendRef": Feature(
        [
            Route(
                [backends({"name": "gone"}, matches=at("/gone")), to("v1", matches=at("/anything"))],
                conditions=unresolved("BackendNotFound"),
            )
        ],
        [Ask("/gone", "500"), Ask("/anything", "v1")],
    ),
    "HTTPRouteInvalidParentRefNotMatchingSectionName": Feature(
        [Route([to("v1")], parents=[{"sectionName": "gone"}], conditions=refused("NoMatchingParent"))],
        [Ask("/anything", "404")],
    ),
}
"""Which rule is taken, and what becomes of requests that lead nowhere."""

FILTERS = {
    "HTTPRouteRequestHeaderModifier": Feature(
        _one(
            to("v1", matches=at("/headers"), filters=filters("RequestHeaderModifier", CHANGES)),
            to("v1", matches=at("/anything/none"), filters=filters("RequestHeaderModifier", {"remove": ["X-GONE"]})),
        ),
        [
            Ask("/headers", "v1", SENT, CHANGED),
            Ask("/headers", "v1", got={"x-set": "rule", "x-add": "rule", "x-gone": None}),
            Ask("/anything/none", "v1", SENT, {"x-set": "mine", "x-gone": None}),
        ],
    ),
    "HTTPRouteBackendRequestHeaderModifier": Feature(
        _one(backends({"name": "v1", "filters": filters("RequestHeaderModifier", CHANGES)})),
        [Ask("/headers", "v1", SENT, CHANGED)],
    ),
    "HTTPRouteResponseHeaderModifier": Feature(
        _one(
            to("v1", matches=at("/anything/set"), filters=STAMP),
            to(
                "v1",
                matches=at("/anything/more"),
                filters=filters(
                    "ResponseHeaderModifier",
                    {"set": fields("X-Workload", "rule"), "add": fields("X-Add", "rule"), "remove": ["Content-Type"]},
                ),
            ),
            to("v1"),
        ),
        [
            Ask("/anything/set", "v1", answered=STAMPED),
            Ask("/anything/more", "rule", answered={"X-Add": "rule", "Content-Type": None}),
            Ask("/anything", "v1", answered=PLAIN),
        ],
    ),
    "HTTPRouteRewriteHost": Feature(
        _one(
            to("v1", matches=at("/anything/one"), filters=filters("URLRewrite", {"hostname": "one.example.org"})),
            to("v2", filters=filters("URLRewrite", {"hostname": "rest.example.org"})),
        ),
        [Ask("/anything/one", "v1", arrived="one.example.org"), Ask("/anything", "v2", arrived="rest.example.org")],
    ),
    "HTTPRouteRewritePath": Feature(
        _one(
            to("v1", matches=at("/prefix/one"), filters=filters("URLRewrite", {"path": BELOW})),
            to("v1", matches=at("/strip"), filters=filters("URLRewrite", {"path": _below("/")})),
            to("v1", matches=at("/slash/"), filters=filters("URLRewrite", {"path": _below("/anything/")})),
            to("v1", matches=at("/whole"), filters=filters("URLRewrite", {"path": FULL})),
            to(
                "v1",
                matches=at("/changed"),
                filters=[*filters("URLRewrite", {"path": BELOW}), *filters("RequestHeaderModifier", CHANGES)],
            ),
        ),
        [
            Ask("/prefix/one/two?a=b", "v1", forwarded="/anything/two?a=b"),
            Ask("/prefix/one", "v1", forwarded="/anything"),
            Ask("/strip/headers", "v1", forwarded="/headers"),
            Ask("/strip/anything/", "v1", forwarded="/anything/"),
            Ask("/slash/one", "v1", forwarded="/anything/one"),
            Ask("/slash", "v1", forwarded="/anything"),
            Ask("/whole/one/two?a=b", "v1", forwarded="/anything/full?a=b"),
            Ask("/changed/one", "v1", SENT, CHANGED, forwarded="/anything/one"),
        ],
    ),
    "HTTPRouteBackendURLRewrite": Feature(
        _one(
            backends(
                {"filters": filters("URLRewrite", {"hostname": "of.example.org", "path": BELOW})}, matches=at("/below")
            ),
            backends({"filters": filters("URLRewrite", {"path": FULL})}, matches=at("/whole")),
        ),
        [
            Ask("/below/one", "v1", forwarded="/anything/one", arrived="of.example.org"),
            Ask("/whole/one", "v1", forwarded="/anything/full"),
        ],
    ),
    "HTTPRouteBackendRequestRedirect": Feature(
        _one(
            backends({"filters": filters("RequestRedirect", {"hostname": ORG})}, matches=at("/host")),
            backends({"filters": filters("RequestRedirect", {"path": FULL, "statusCode": 301})}, matches=at("/full")),
        ),
        [
            Ask("/host/a", f"302 http://{ORG}:{HTTP}/host/a"),
            Ask("/full/a", f"301 http://{host_of('HTTPRouteBackendRequestRedirect')}:{HTTP}/anything/full"),
        ],
    ),
    "HTTPRouteRedirectHostAndStatus": Feature(
        _one(
            moved("/found", hostname=ORG),
            moved("/moved", hostname=ORG, statusCode=301),
            moved("/same", statusCode=301),
        ),
        [
            Ask("/found?a=b", f"302 http://{ORG}:{HTTP}/found?a=b"),
            Ask("/moved/a", f"301 http://{ORG}:{HTTP}/moved/a"),
            Ask("/same", f"301 http://{host_of('HTTPRouteRedirectHostAndStatus')}:{HTTP}/same"),
        ],
    ),
    **{f"HTTPRoute{code}Redirect": _redirect(code) for code in (303, 307, 308)},
    "HTTPRouteRedirectPath": Feature(
        _one(
            moved("/one", hostname=ORG, path=_below("/two")),
            moved("/strip", hostname=ORG, path=_below("/")),
            moved("/whole", hostname=ORG, path={**FULL, "replaceFullPath": "/new"}),
            moved("/status", statusCode=301, path=_below("/two")),
        ),
        [
            Ask("/one/a?b=c", f"302 http://{ORG}:{HTTP}/two/a?b=c"),
            Ask("/one", f"302 http://{ORG}:{HTTP}/two"),
            Ask("/strip/a", f"302 http://{ORG}:{HTTP}/a"),
            Ask("/strip", f"302 http://{ORG}:{HTTP}/"),
            Ask("/whole/a", f"302 http://{ORG}:{HTTP}/new"),
            Ask("/status/a", f"301 http://{host_of('HTTPRouteRedirectPath')}:{HTTP}/two/a"),
        ],
    ),
    "HTTPRouteRedirectPort": Feature(
        _one(
            moved("/port", port=8083),
            moved("/host", hostname=ORG, port=8083),
            moved("/usual", hostname=ORG, port=80),
            moved("/path", port=8083, path=_below("/two")),
        ),
        [
            Ask("/port", f"302 http://{host_of('HTTPRouteRedirectPort')}:8083/port"),
            Ask("/host", f"302 http://{ORG}:8083/host"),
            Ask("/usual", f"302 http://{ORG}/usual"),
            Ask("/path/a", f"302 http://{host_of('HTTPRouteRedirectPort')}:8083/two/a"),
        ],
    ),
    "HTTPRouteRedirectScheme": Feature(
        _one(
            moved("/https", scheme="https"),
            moved("/host", hostname=ORG, scheme="https"),
            moved("/http", scheme="http"),
            moved("/status", scheme="https", statusCode=301),
        ),
        [
            Ask("/https", f"302 https://{host_of('HTTPRouteRedirectScheme')}/https"),
            Ask("/host", f"302 https://{ORG}/host"),
            Ask("/http", f"302 http://{host_of('HTTPRouteRedirectScheme')}/http"),
            Ask("/status", f"301 https://{host_of('HTTPRouteRedirectScheme')}/status"),
        ],
    ),
    "HTTPRouteTimeoutRequest": Feature(
        _one(
            to("v1", matches=at("/delay/5"), timeouts={"request": "100ms"}),
            to("v1", matches=at("/delay/0.3"), timeouts={"request": "0s"}),
            to("v1", matches=at("/anything"), timeouts={"request": "10s"}),
        ),
        [Ask("/delay/5", "504"), Ask("/delay/0.3", "v1"), Ask("/anything", "v1")],
    ),
    "HTTPRouteTimeoutBackendRequest": Feature(
        _one(
            to("v1", matches=at("/delay/5"), timeouts={"backendRequest": "100ms"}),
            to("v1", matches=at("/delay/0.3"), timeouts={"request": "0s", "backendRequest": "0s"}),
        ),
        [Ask("/delay/5", "504"), Ask("/delay/0.3", "v1")],
    ),
}
"""What rules and backends do to requests and answers."""
