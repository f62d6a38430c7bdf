"""The discovery services of Envoy's API: which gRPC method speaks which variant about which type.

Only streams: the unary Fetch methods and REST are not served.
"""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.resource import RESOURCE_TYPES


class Method(msgspec.Struct, frozen=True):
    """One gRPC method. `type_url` is empty when the stream carries every type (ADS)."""

    service: str
    name: str
    delta: bool
    type_url: str = ""


def methods() -> Iterator[Method]:
    """Yield every method the server has."""
    ads = "envoy.service.discovery.v3.AggregatedDiscoveryService"
    yield Method(ads, "StreamAggregatedResources", delta=False)
    yield Method(ads, "DeltaAggregatedResources", delta=True)
    for row in RESOURCE_TYPES:
        yield Method(row.service, f"Stream{row.methods}", delta=False, type_url=row.url)
        yield Method(row.service, f"Delta{row.methods}", delta=True, type_url=row.url)
