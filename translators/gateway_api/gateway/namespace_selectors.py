"""Which namespaces are selected, by `from` and by label selectors (Kubernetes)."""

from collections.abc import Mapping

from mirrorplane.api.kinds.gateway_api.gateway import LabelSelector, LabelSelectorRequirement
from mirrorplane.api.kinds.kube import NAMESPACE
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.view import View

_NAME_LABEL = "kubernetes.io/metadata.name"


def allows(view: View, selection: tuple[str, LabelSelector | None], home: str, namespace: str) -> bool:
    """Tell whether `from` and `selector` of an object in namespace `home` select a namespace."""
    from_, selector = selection
    if from_ == "Same":
        return namespace == home
    if from_ != "Selector":
        # `None`, and what a later version of the API may add, select nothing.
        return from_ == "All"
    if selector is None:
        return False
    keys = tuple(sorted({*selector.match_labels, *(requirement.key for requirement in selector.match_expressions)}))
    return selects(selector, dict(view.memo(_labels, namespace, keys)))


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether a selector matches labels."""
    by_label = selector.match_labels.items() <= labels.items()
    return by_label and all(_matches(requirement, labels) for requirement in selector.match_expressions)


def _labels(view: View, namespace: str, keys: tuple[str, ...]) -> Labels:
    """Return only the labels of a namespace that a selector reads, so that a change of others invalidates nothing."""
    obj = view.get(Ref(NAMESPACE.key, "", namespace))
    # The API server sets this label on every namespace; namespaces from files, or of no file, have it here.
    labels = {_NAME_LABEL: namespace, **(obj.labels if obj is not None else {})}
    return tuple((key, labels[key]) for key in keys if key in labels)


def _matches(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    if requirement.operator == "Exists":
        return value is not None
    if requirement.operator == "DoesNotExist":
        return value is None
    # NotIn is true without the label, too (Kubernetes).
    return (value in requirement.values) == (requirement.operator == "In")
