"""What a policy that is not enforced selects: workloads, or objects that it refers to. Specs may have any shape."""

from collections.abc import Iterator, Mapping
from typing import Any

from mirrorplane.api.meta import AnyObject, Labels, Ref
from mirrorplane.api.unenforced import TargetSelector, UnenforcedPolicy
from mirrorplane.translators.unenforced.policy_kind import PolicyKind, Selection, items_of, value_at

_GATEWAY_CLASS = "GatewayClass"
_SERVICE = "Service"


def selection_of(row: PolicyKind, obj: AnyObject, root_namespace: str) -> UnenforcedPolicy | None:
    """Return what a policy selects; None where its kind selects nothing that is served here.

    Istio: a policy with targetRefs selects those and no workloads; one of the root namespace applies in every
    namespace. A target GatewayClass stands for all Gateways of the class, and is taken to select everything.
    """
    if row.selection is Selection.NONE:
        return None
    is_root = row.selection is Selection.WORKLOADS and obj.ref.namespace == root_namespace
    everywhere = UnenforcedPolicy(obj.ref, "")
    policy = everywhere if is_root else UnenforcedPolicy(obj.ref, obj.ref.namespace)
    if row.selection is Selection.NAMESPACE:
        return policy
    targets, selectors = tuple(_targets(obj)), tuple(_selectors(obj))
    if any(target.kind.endswith(f"/{_GATEWAY_CLASS}") for target in targets):
        return everywhere
    if targets or selectors or row.selection is Selection.TARGETS:
        return UnenforcedPolicy(obj.ref, obj.ref.namespace, targets=targets, selectors=selectors)
    return UnenforcedPolicy(obj.ref, policy.namespace, _workload_labels(obj))


def _targets(obj: AnyObject) -> Iterator[Ref]:
    references = (*items_of(value_at(obj.spec, "targetRefs")), *items_of(value_at(obj.spec, "targetRef")))
    for reference in references:
        kind, name = value_at(reference, "kind"), value_at(reference, "name")
        if isinstance(kind, str) and isinstance(name, str):
            namespace = "" if kind == _GATEWAY_CLASS else value_at(reference, "namespace") or obj.ref.namespace
            yield Ref(_key(value_at(reference, "group"), kind), str(namespace), name)


def _selectors(obj: AnyObject) -> Iterator[TargetSelector]:
    for selector in items_of(value_at(obj.spec, "targetSelectors")):
        kind = value_at(selector, "kind")
        if isinstance(kind, str):
            labels = _labels(value_at(selector, "matchLabels"))
            yield TargetSelector(_key(value_at(selector, "group"), kind), obj.ref.namespace, labels)


def _key(group: Any, kind: str) -> str:
    """Return the key of a kind. Services are of the core group, which may be left out or written as `core` (Istio)."""
    if kind == _SERVICE or not isinstance(group, str) or not group:
        return kind if kind == _SERVICE else f"gateway.networking.k8s.io/{kind}"
    return f"{group}/{kind}"


def _workload_labels(obj: AnyObject) -> Labels:
    """Return the labels that select workloads; an EnvoyFilter has them in `workloadSelector.labels`."""
    return _labels(value_at(obj.spec, "selector", "matchLabels") or value_at(obj.spec, "workloadSelector", "labels"))


def _labels(value: Any) -> Labels:
    return tuple(sorted((str(key), str(text)) for key, text in value.items())) if isinstance(value, Mapping) else ()
