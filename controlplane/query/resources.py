"""The resources a proxy is served, as plain values."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mirrorplane.api.resource import RELEASE_ORDER, ResourceSet, resource_type
from mirrorplane.translators.envoy import from_dict, to_dict
from mirrorplane.translators.matching.decoded import DecodedResources, decode_resources

TYPES = {row.plural: row.url for row in map(resource_type, RELEASE_ORDER) if not row.private}
"""Type URLs by the words of `render --type`, in the order in which a request meets them.

Secrets are left out: they must not reach a terminal or a debug page.
"""


class ResourceView(msgspec.Struct, frozen=True):
    """One resource: its type's plural, its name, its content version, and the message in Envoy's field names."""

    type: str
    name: str
    version: str
    value: Mapping[str, Any]


def resource_views(resources: ResourceSet, type_name: str = "") -> list[ResourceView]:
    """Return the resources of a set, of all TYPES or one, by type and name."""
    return [
        ResourceView(type_name, resource.name, resource.version, to_dict(resource))
        for type_name in ([type_name] if type_name else TYPES)
        for _, resource in sorted(resources.of_type(TYPES[type_name]).items())
    ]


def decoded_values(values: Mapping[str, list[dict[str, Any]]]) -> DecodedResources:
    """Decode what `resource_values` returned, on this machine or another. Raises ValueError for anything else."""
    resources = {
        url: {resource.name: resource for fields in values.get(name, ()) for resource in (from_dict(url, fields),)}
        for name, url in TYPES.items()
    }
    return decode_resources(ResourceSet(0, resources, {}, 0))


def resource_values(resources: ResourceSet, type_name: str = "") -> dict[str, list[Mapping[str, Any]]]:
    """Return the messages only, by type: what `mirrorplane render` prints. Types without resources have empty lists."""
    values: dict[str, list[Mapping[str, Any]]] = {name: [] for name in ([type_name] if type_name else TYPES)}
    for view in resource_views(resources, type_name):
        values[view.type].append(view.value)
    return values
