"""kgateway's TrafficPolicy: what it selects, and what of it is not supported. Only its settings for mirrors are.

Shared by its input, by rules that refer to it, and by its status. See decision 0127.
"""

from collections.abc import Iterator

from mirrorplane.api.kinds.kgateway.traffic_policy import PolicySelector, TrafficPolicy
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.unenforced import TargetSelector, UnenforcedPolicy
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.policy_targets import may_be_served, selected_targets

UNSUPPORTED_FIELD = "UnsupportedValue"
"""The reason of findings and conditions about such fields."""
_CREDENTIALS = "requests without valid credentials are allowed"
_EFFECTS = {
    "apiKeyAuth": _CREDENTIALS,
    "basicAuth": _CREDENTIALS,
    "csrf": "requests of other origins are allowed",
    "extAuth": "requests are allowed without asking the external authorizer",
    "jwt": _CREDENTIALS,
    "jwtAuth": _CREDENTIALS,
    "oauth2": _CREDENTIALS,
    "rateLimit": "requests above its limits are allowed",
    "rbac": "requests that it denies are allowed",
}
"""What is allowed because a field is not enforced; others are settings."""


def unsupported_fields(policy: Object[TrafficPolicy]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a policy that are not supported, and what follows from each."""
    for field in policy.spec.unknown_fields:
        yield field, _EFFECTS.get(field, "it has no effect")


def selection_of(policy: Object[TrafficPolicy]) -> UnenforcedPolicy:
    """Return what a policy selects: objects by name and by labels, in its own namespace."""
    namespace = policy.ref.namespace
    return UnenforcedPolicy(
        policy.ref,
        namespace,
        targets=tuple(Ref(f"{t.group}/{t.kind}", namespace, t.name) for t in policy.spec.target_refs),
        selectors=tuple(_selector(selector, namespace) for selector in policy.spec.target_selectors),
    )


def targets_of(view: View, policy: Object[TrafficPolicy]) -> tuple[Ref, ...]:
    """Return the objects that a policy targets, those by name first, each once. Some may not exist."""
    selection = selection_of(policy)
    return tuple(dict.fromkeys((*selection.targets, *selected_targets(view, selection.selectors))))


def applies_here(view: View, policy: Object[TrafficPolicy]) -> bool:
    """Tell whether a policy has a target that is served here, or that is missing; without targets, none."""
    return any(may_be_served(view, target) for target in targets_of(view, policy))


def _selector(selector: PolicySelector, namespace: str) -> TargetSelector:
    kind, labels = f"{selector.group}/{selector.kind}", tuple(sorted(selector.match_labels.items()))
    return TargetSelector(kind, namespace, labels)
