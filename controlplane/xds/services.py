"""The discovery services of Envoy's API, as registrations on the gRPC server: ADS, and one service per type.

Only streams: the unary Fetch methods and REST are not served.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import groupby

import msgspec

from mirrorplane.api.resource import RESOURCE_TYPES
from mirrorplane.controlplane.grpc_server.call import Call
from mirrorplane.controlplane.grpc_server.service import Method

_ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"


class StreamKind(msgspec.Struct, frozen=True):
    """A gRPC method that opens xDS streams. `type_url` is empty when a stream carries every type (ADS)."""

    service: str
    method: str
    delta: bool
    type_url: str = ""


class DiscoveryService(msgspec.Struct, frozen=True):
    """One discovery service (see Service in controlplane/grpc_server)."""

    name: str
    methods: Mapping[str, Method]
    close: Callable[[], None]


def stream_kinds() -> Iterator[StreamKind]:
    """Yield every method that opens streams, by service."""
    yield StreamKind(_ADS, "StreamAggregatedResources", delta=False)
    yield StreamKind(_ADS, "DeltaAggregatedResources", delta=True)
    for row in RESOURCE_TYPES:
        yield StreamKind(row.service, f"Stream{row.methods}", delta=False, type_url=row.url)
        yield StreamKind(row.service, f"Delta{row.methods}", delta=True, type_url=row.url)


def discovery_services(
    serve: Callable[[StreamKind, Call], Awaitable[None]], close: Callable[[], None]
) -> Iterator[DiscoveryService]:
    """Yield the services whose streams `serve` serves until `close` ends them."""
    for name, kinds in groupby(stream_kinds(), key=lambda kind: kind.service):
        yield DiscoveryService(name, {kind.method: _method(serve, kind) for kind in kinds}, close)


def _method(serve: Callable[[StreamKind, Call], Awaitable[None]], kind: StreamKind) -> Method:
    def method(call: Call) -> Awaitable[None]:
        return serve(kind, call)

    return method
