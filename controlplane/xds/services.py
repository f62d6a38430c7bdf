"""The discovery services of Envoy's API, as a table: which gRPC method speaks which variant about which type.

Only streams: the unary Fetch methods and REST are not served.
"""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET


class Method(msgspec.Struct, frozen=True):
    """One gRPC method. `type_url` is empty when the stream carries every type (ADS)."""

    service: str
    name: str
    delta: bool
    type_url: str = ""


_SINGLE = (
    ("cluster.v3.Cluster", "Clusters", CLUSTER),
    ("endpoint.v3.Endpoint", "Endpoints", ENDPOINT),
    ("listener.v3.Listener", "Listeners", LISTENER),
    ("route.v3.Route", "Routes", ROUTE),
    ("secret.v3.Secret", "Secrets", SECRET),
)


def methods() -> Iterator[Method]:
    """Yield every method the server has."""
    ads = "envoy.service.discovery.v3.AggregatedDiscoveryService"
    yield Method(ads, "StreamAggregatedResources", delta=False)
    yield Method(ads, "DeltaAggregatedResources", delta=True)
    for noun, plural, type_url in _SINGLE:
        service = f"envoy.service.{noun}DiscoveryService"
        yield Method(service, f"Stream{plural}", delta=False, type_url=type_url)
        yield Method(service, f"Delta{plural}", delta=True, type_url=type_url)
