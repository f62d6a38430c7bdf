"""The resources a proxy is served, as plain values."""

from typing import Any

from mirrorplane.api.resource import RELEASE_ORDER, ResourceSet, resource_type
from mirrorplane.translators.envoy import to_dict

TYPES = {row.plural: row.url for row in map(resource_type, RELEASE_ORDER) if not row.private}
"""Type URLs by the words of `render --type`, in the order in which a request meets them.

Secrets are left out: they must not reach a terminal or a debug page.
"""


def resource_values(resources: ResourceSet, type_name: str = "") -> dict[str, list[dict[str, Any]]]:
    """Return the resources of a set as plain values, by type (all of TYPES, or one) and sorted by name."""
    type_names = [type_name] if type_name else list(TYPES)
    return {
        name: [to_dict(resource) for _, resource in sorted(resources.of_type(TYPES[name]).items())]
        for name in type_names
    }
