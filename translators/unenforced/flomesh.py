"""Policies of FSM, and of the mesh that it comes from: OSM and the Service Mesh Interface (SMI).

Sources: the CRDs of FSM 1.2 and OSM 1.2, and SMI's `access/v1alpha3`.
"""

from mirrorplane.translators.unenforced.policy_kind import WARNING, PolicyKind, Selection, always, plain_kind

_GATEWAY = "gateway.flomesh.io/v1alpha1"
_SOURCES = "requests from sources that it does not list are allowed"

ROWS = (
    PolicyKind(
        plain_kind(_GATEWAY, "AccessControlPolicy"), always("requests from addresses that it excludes are allowed")
    ),
    PolicyKind(plain_kind(_GATEWAY, "RateLimitPolicy"), always("requests above its limits are allowed", WARNING)),
    PolicyKind(plain_kind("policy.flomesh.io/v1alpha1", "AccessControl"), always(_SOURCES), Selection.NAMESPACE),
    PolicyKind(
        plain_kind("policy.openservicemesh.io/v1alpha1", "IngressBackend"), always(_SOURCES), Selection.NAMESPACE
    ),
    PolicyKind(plain_kind("access.smi-spec.io/v1alpha3", "TrafficTarget"), always(_SOURCES), Selection.NAMESPACE),
)
