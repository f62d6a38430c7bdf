"""Gateway API's HTTP features of weights, several Gateways and mirrors."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.e2e.support.feature_cases import Feature, RequestCase, Route, backends
from tests.e2e.support.mesh_features import CHANGES, PORT, fields, filters, path_matches, rule_to

REQUESTS = 200
BOUNDS = {0.2: (10, 70), 0.35: (34, 106), 0.5: (62, 138), 0.7: (105, 175), 1: (REQUESTS - 10, REQUESTS)}
"""Bounds for a share of the requests: one run in ten million exceeds them. Copies may get lost."""


def mirror_filter_to(name: str, **share: Any) -> dict[str, Any]:
    (mirror_filter,) = filters("RequestMirror", {"backendRef": {"name": name, "port": PORT}, **share})
    return mirror_filter


def _weighted(*shares: tuple[str, int]) -> Sequence[Mapping[str, Any]]:
    """Weighted backends; each request carries the backend's name in a header."""
    markers = (filters("RequestHeaderModifier", {"set": fields("X-Sent-To", name)}) for name, _ in shares)
    return [
        {"name": name, "weight": weight, "filters": marker}
        for (name, weight), marker in zip(shares, markers, strict=True)
    ]


OTHERS = {
    "HTTPRouteMultipleGateways": Feature(
        [
            Route([rule_to("v1")], ["shared.example.com"], [{"sectionName": "http"}, {"name": "second"}]),
            Route([rule_to("v2")], ["one.example.com"]),
            Route([rule_to("v3")], ["two.example.com"], [{"name": "second"}]),
        ],
        [
            *(RequestCase("/anything", "v1", host="shared.example.com", gateway=name) for name in ("edge", "second")),
            RequestCase("/anything", "v2", host="one.example.com"),
            RequestCase("/anything", "404", host="two.example.com"),
            RequestCase("/anything", "404", host="one.example.com", gateway="second"),
            RequestCase("/anything", "v3", host="two.example.com", gateway="second"),
        ],
    ),
    "HTTPRouteServiceTypes": Feature(
        [
            Route(
                [
                    backends({"name": name}, matches=path_matches(f"/anything/{name}"))
                    for name in ("by-hand", "headless", "longer")
                ]
            )
        ],
        [RequestCase(f"/anything/{name}", "v1") for name in ("by-hand", "headless", "longer")],
    ),
}
"""Features that every single request shows."""

WEIGHTS = {
    "HTTPRouteWeight": Feature([Route([rule_to("v1*70", "v2*30", "v3*0")])]),
    "HTTPRouteRequestHeaderModifierBackendWeights": Feature(
        [Route([backends(*_weighted(("v1", 70), ("v2", 30), ("v3", 0)))])]
    ),
}
"""v1 gets 70 % of the requests to these, v2 the rest."""


_CHANGE = filters("RequestHeaderModifier", CHANGES)
Rule = tuple[Mapping[str, Any], Mapping[str, float]]
MIRRORS: Mapping[str, Sequence[Rule]] = {
    "HTTPRouteRequestMirror": [
        (rule_to("v1", filters=[mirror_filter_to("v2")]), {"v2": 1}),
        (rule_to("v1", filters=[*_CHANGE, mirror_filter_to("v2")]), {"v2": 1}),
    ],
    "HTTPRouteRequestMultipleMirrors": [
        (rule_to("v1", filters=[mirror_filter_to("v2"), mirror_filter_to("v3")]), {"v2": 1, "v3": 1}),
        (rule_to("v1", filters=[*_CHANGE, mirror_filter_to("v2"), mirror_filter_to("v3")]), {"v2": 1, "v3": 1}),
    ],
    "HTTPRouteRequestPercentageMirror": [
        (rule_to("v1", filters=[mirror_filter_to("v2", percent=20)]), {"v2": 0.2}),
        (rule_to("v1", filters=[mirror_filter_to("v2", fraction={"numerator": 25, "denominator": 50})]), {"v2": 0.5}),
        (rule_to("v1", filters=[*_CHANGE, mirror_filter_to("v2", percent=35)]), {"v2": 0.35}),
    ],
}
"""Rules, and the share of the requests that each mirror gets."""
