"""Targets of policies that attach to Gateway API's objects, and whether any of them is served here."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.unenforced import TargetSelector
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.parents import has_served_parent, serving_gateway
from mirrorplane.translators.gateway_api.attachment.service_parents import has_service_parent


def target_candidate_keys(obj: AnyObject) -> tuple[str, ...]:
    """Return the key of an object in the index `policy.target`, where selectors find it."""
    return (_key(obj.ref.kind, obj.ref.namespace),)


def selected_targets(view: View, selectors: Iterable[TargetSelector]) -> Iterator[Ref]:
    """Yield the objects that selectors select."""
    for selector in selectors:
        for obj in view.by("policy.target", _key(selector.kind, selector.namespace)):
            if set(selector.labels) <= obj.labels.items():
                yield obj.ref


def may_be_served(view: View, target: Ref) -> bool:
    """Tell whether a target is served here, or is missing and so may be; not one that only other controllers serve."""
    obj = view.get(target)
    if obj is None or not target.kind.startswith(f"{GROUP}/"):
        return True
    if target.kind in {GATEWAY.key, LISTENER_SET.key}:
        return serving_gateway(view, target) is not None
    is_route = hasattr(obj.spec, "parent_refs")
    return not is_route or has_served_parent(view, obj) or has_service_parent(view, obj)


def _key(kind: str, namespace: str) -> str:
    return f"{kind}|{namespace}"
