"""Policies that attach to Gateway API's objects: of Envoy Gateway, kgateway, Gloo, Kuadrant and of SIG Network.

kgateway's TrafficPolicy is read (see inputs/kgateway_traffic_policy). Sources: the CRDs of Envoy Gateway 1.9, kgateway
2.1, Gloo Gateway 1.18 and Kuadrant 1.0, and of `gateway.networking.x-k8s.io` and `agentic.prototype.x-k8s.io`.
"""

from collections.abc import Iterator

from mirrorplane.api.meta import AnyObject
from mirrorplane.translators.unenforced.envoy_filters import patch_effects
from mirrorplane.translators.unenforced.policy_kind import (
    WARNING,
    Effect,
    PolicyKind,
    always,
    by_field,
    plain_kind,
    value_at,
    warning,
)

_ENVOY_GATEWAY = "gateway.envoyproxy.io/v1alpha1"
_KGATEWAY = "gateway.kgateway.dev/v1alpha1"
_GLOO = "gateway.solo.io/v1"
_TOKENS = "requests without a valid token are allowed"
_CREDENTIALS = "requests without valid credentials are allowed"
_LIMITS = "requests above its limits are allowed"
_DENIED = "requests that it denies are allowed"
_UNAUTHORIZED = "requests are allowed without asking the external authorizer"
_NOT_APPLIED = "its settings are not applied"
_GLOO_OPTIONS = by_field(
    {
        "options.extauth": _UNAUTHORIZED,
        "options.jwt": _TOKENS,
        "options.jwtStaged": _TOKENS,
        "options.jwtProvidersStaged": _TOKENS,
        "options.rbac": _DENIED,
        "options.waf": _DENIED,
        "options.ratelimit": warning(_LIMITS),
        "options.ratelimitBasic": warning(_LIMITS),
    },
    _NOT_APPLIED,
)


def _envoy_patches(obj: AnyObject) -> Iterator[Effect]:
    yield from patch_effects("spec.jsonPatches", value_at(obj.spec, "jsonPatches"))


ROWS = (
    PolicyKind(
        plain_kind(_ENVOY_GATEWAY, "SecurityPolicy"),
        by_field(
            {
                "apiKeyAuth": _CREDENTIALS,
                "basicAuth": _CREDENTIALS,
                "jwt": _TOKENS,
                "oidc": "requests without a session of the identity provider are allowed",
                "extAuth": _UNAUTHORIZED,
                "authorization": _DENIED,
                "cors": warning("responses have no CORS headers"),
            },
            _NOT_APPLIED,
        ),
    ),
    PolicyKind(
        plain_kind(_ENVOY_GATEWAY, "ClientTrafficPolicy"),
        by_field({"tls.clientValidation": "clients without a certificate are accepted"}, _NOT_APPLIED),
    ),
    PolicyKind(
        plain_kind(_ENVOY_GATEWAY, "BackendTrafficPolicy"), by_field({"rateLimit": warning(_LIMITS)}, _NOT_APPLIED)
    ),
    PolicyKind(
        plain_kind(_ENVOY_GATEWAY, "EnvoyExtensionPolicy"), always("its extensions do not process requests", WARNING)
    ),
    PolicyKind(plain_kind(_ENVOY_GATEWAY, "EnvoyPatchPolicy"), _envoy_patches),
    PolicyKind(plain_kind(_KGATEWAY, "ListenerPolicy"), always(_NOT_APPLIED, WARNING)),
    PolicyKind(plain_kind(_KGATEWAY, "HTTPListenerPolicy"), always(_NOT_APPLIED, WARNING)),
    PolicyKind(plain_kind(_KGATEWAY, "BackendConfigPolicy"), always(_NOT_APPLIED, WARNING)),
    PolicyKind(plain_kind(_GLOO, "RouteOption"), _GLOO_OPTIONS),
    PolicyKind(plain_kind(_GLOO, "VirtualHostOption"), _GLOO_OPTIONS),
    PolicyKind(plain_kind("kuadrant.io/v1", "AuthPolicy", older=("v1beta3",)), always(_DENIED)),
    PolicyKind(plain_kind("kuadrant.io/v1", "RateLimitPolicy", older=("v1beta3",)), always(_LIMITS, WARNING)),
    PolicyKind(plain_kind("kuadrant.io/v1alpha1", "TokenRateLimitPolicy"), always(_LIMITS, WARNING)),
    PolicyKind(
        plain_kind("gateway.networking.x-k8s.io/v1alpha1", "XBackendTrafficPolicy"), always(_NOT_APPLIED, WARNING)
    ),
    PolicyKind(plain_kind("agentic.prototype.x-k8s.io/v0alpha0", "XAccessPolicy"), always(_DENIED)),
)
