"""Istio's policies, and Ingresses of its class.

Sources: Istio's API documentation, `security/v1`, `extensions/v1alpha1` and `networking/v1alpha3/envoy_filter`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mirrorplane.api.meta import AnyObject
from mirrorplane.translators.unenforced.envoy_filters import patch_effects
from mirrorplane.translators.unenforced.policy_kind import (
    WARNING,
    Effect,
    PolicyKind,
    Selection,
    by_field,
    items_of,
    plain_kind,
    value_at,
)

_DRY_RUN = "istio.io/dry-run"
_DENIED = {
    "DENY": "requests that its rules deny are allowed",
    "CUSTOM": "requests are allowed without asking the external authorizer",
}
_INGRESS_CLASS = "kubernetes.io/ingress.class"
_ISTIO = "istio"
_AUTHORIZING_PHASES = {"AUTHN": "authentication", "AUTHZ": "authorization"}


def _authorization(obj: AnyObject) -> Iterator[Effect]:
    """Istio: without an action it is ALLOW, which denies what no rule matches; without rules it matches nothing."""
    rules, action = items_of(value_at(obj.spec, "rules")), value_at(obj.spec, "action") or "ALLOW"
    if obj.annotations.get(_DRY_RUN) == "true":
        return
    if action == "AUDIT":
        yield Effect("spec.action", "requests that match its rules are not audited", WARNING)
    elif action != "ALLOW":
        if rules:  # DENY or CUSTOM without rules matches nothing
            yield Effect("spec.action", _DENIED.get(str(action), "requests that it denies are allowed"))
    elif not rules:
        yield Effect("spec", "it denies all requests, and all are allowed")
    elif not any(rule == {} for rule in rules):
        yield Effect("spec.rules", "requests that match none of its rules are allowed")


def _peer_authentication(obj: AnyObject) -> Iterator[Effect]:
    message = "plaintext connections are accepted"
    if value_at(obj.spec, "mtls", "mode") == "STRICT":
        yield Effect("spec.mtls.mode", message)
    ports = value_at(obj.spec, "portLevelMtls")
    for port, mtls in ports.items() if isinstance(ports, Mapping) else ():
        if value_at(mtls, "mode") == "STRICT":
            yield Effect(f"spec.portLevelMtls[{port}].mode", f"plaintext connections to port {port} are accepted")


def _wasm_plugin(obj: AnyObject) -> Iterator[Effect]:
    phase = _AUTHORIZING_PHASES.get(str(value_at(obj.spec, "phase")))
    if phase:
        yield Effect("spec.phase", f"the plugin does not run, so requests are allowed without its {phase}")
    else:
        yield Effect("spec", "the plugin does not run", WARNING)


def _envoy_filter(obj: AnyObject) -> Iterator[Effect]:
    yield from patch_effects("spec.configPatches", value_at(obj.spec, "configPatches"))


def _ingress(obj: AnyObject) -> Iterator[Effect]:
    """Ingresses of other classes are other controllers'. The annotation is older than the field, and wins (Istio)."""
    name: Any = obj.annotations.get(_INGRESS_CLASS) or value_at(obj.spec, "ingressClassName")
    if name == _ISTIO:
        message = "requests to its hosts are not routed"
        yield Effect("spec", message, WARNING, "write a Gateway and a VirtualService, or an HTTPRoute")


ROWS = (
    PolicyKind(
        plain_kind("security.istio.io/v1", "AuthorizationPolicy", older=("v1beta1",)),
        _authorization,
        Selection.WORKLOADS,
    ),
    PolicyKind(
        plain_kind("security.istio.io/v1", "PeerAuthentication", older=("v1beta1",)),
        _peer_authentication,
        Selection.WORKLOADS,
    ),
    PolicyKind(
        plain_kind("security.istio.io/v1", "RequestAuthentication", older=("v1beta1",)),
        by_field({"jwtRules": "requests with an invalid token are allowed"}),
        Selection.WORKLOADS,
    ),
    PolicyKind(plain_kind("extensions.istio.io/v1alpha1", "WasmPlugin"), _wasm_plugin, Selection.WORKLOADS),
    PolicyKind(plain_kind("networking.istio.io/v1alpha3", "EnvoyFilter"), _envoy_filter, Selection.WORKLOADS),
    PolicyKind(plain_kind("networking.k8s.io/v1", "Ingress"), _ingress, Selection.NONE),
)
