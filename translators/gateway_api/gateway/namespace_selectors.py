"""Which namespaces may take part, and label selectors (Kubernetes)."""

from collections.abc import Mapping

from mirrorplane.api.kinds.gateway_api.gateway import LabelSelector, LabelSelectorRequirement
from mirrorplane.api.kinds.kube import NAMESPACE
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.view import View

_NAME_LABEL = "kubernetes.io/metadata.name"


def admits(view: View, places: tuple[str, LabelSelector | None], own: str, namespace: str) -> bool:
    """Tell whether `from` and `selector`, said in a namespace of its `own`, let another namespace take part."""
    from_, selector = places
    if from_ == "Same":
        return namespace == own
    if from_ != "Selector":
        return from_ == "All"
    if selector is None:
        return False
    keys = tuple(sorted({*selector.match_labels, *(one.key for one in selector.match_expressions)}))
    return selects(selector, dict(view.memo(_labels, namespace, keys)))


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether labels are as a selector wants them."""
    alike = selector.match_labels.items() <= labels.items()
    return alike and all(_holds(one, labels) for one in selector.match_expressions)


def _labels(view: View, namespace: str, keys: tuple[str, ...]) -> Labels:
    """Return those labels of a namespace that a selector looks at: of a change of others nothing follows."""
    found = view.get(Ref(NAMESPACE.key, "", namespace))
    labels = {_NAME_LABEL: namespace, **(found.labels if found is not None else {})}
    return tuple((key, labels[key]) for key in keys if key in labels)


def _holds(said: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(said.key)
    if said.operator == "Exists":
        return value is not None
    if said.operator == "DoesNotExist":
        return value is None
    return (value in said.values) == (said.operator == "In")
