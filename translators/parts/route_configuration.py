"""RouteConfigurations, joined from virtual hosts that were encoded before."""

from collections.abc import Iterable

from mirrorplane.api.resource import ROUTE, Resource
from mirrorplane.translators import envoy

# As in Istio, whose validation refuses larger bodies.
_MAX_DIRECT_RESPONSE = 1 << 20


def configuration(name: str, virtual_hosts: Iterable[bytes], *, ignore_port: bool = True) -> Resource:
    """Return a configuration of encoded virtual hosts. `ignore_port`: the port in a request's Host does not matter."""
    head = envoy.encode(envoy.RouteConfiguration(name=name))
    tail = envoy.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    # Else Envoy rejects the whole configuration while one cluster of one route is missing. See decision 0082.
    tail.validate_clusters.CopyFrom(envoy.BoolValue(value=False))
    # Envoy's default is 4 KiB, and it rejects a configuration with a larger body.
    tail.max_direct_response_body_size_bytes.CopyFrom(envoy.UInt32Value(value=_MAX_DIRECT_RESPONSE))
    return envoy.resource(ROUTE, name, head, *virtual_hosts, envoy.encode(tail))
