"""RouteConfigurations, made of virtual hosts that were encoded before."""

from collections.abc import Iterable

from mirrorplane.api.resource import ROUTE, Resource
from mirrorplane.translators import envoy

_LARGEST_DIRECT_RESPONSE = 1 << 20


def configuration(name: str, frames: Iterable[bytes], *, ignore_port: bool = True) -> Resource:
    """Return a configuration. `ignore_port`: whatever port clients say behind the host, it is the same host."""
    head = envoy.encode(envoy.RouteConfiguration(name=name))
    tail = envoy.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    tail.validate_clusters.CopyFrom(envoy.BoolValue(value=False))
    tail.max_direct_response_body_size_bytes.CopyFrom(envoy.UInt32Value(value=_LARGEST_DIRECT_RESPONSE))
    return envoy.resource(ROUTE, name, head, *frames, envoy.encode(tail))
