"""Label selectors (Kubernetes)."""

from collections.abc import Mapping

from api.kinds.gateway_api.gateway import LabelSelector, LabelSelectorRequirement


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether labels are as a selector wants them."""
    alike = selector.match_labels.items() <= labels.items()
    return alike and all(_holds(one, labels) for one in selector.match_expressions)


def _holds(said: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(said.key)
    if said.operator == "Exists":
        return value is not None
    if said.operator == "DoesNotExist":
        return value is None
    return (value in said.values) == (said.operator == "In")
