"""The index keys of routes: their parents, their hosts, and the Services that they refer to."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from mirrorplane.api.meta import AnyObject
from mirrorplane.translators.gateway_api.attachment.parents import Route, hosts_of, owners_of
from mirrorplane.translators.gateway_api.attachment.service_parents import indexes
from mirrorplane.translators.gateway_api.names import called
from mirrorplane.translators.gateway_api.route.backends import service_keys
from mirrorplane.translators.partitions import nested_keys, shard


def parent_keys(obj: Route) -> Iterator[str]:
    """Yield the keys of a route in the index `gateway.routes`: its parents, alone and by partition of its hosts."""
    for owner in owners_of(obj):
        yield from nested_keys(called(owner), hosts_of(obj), obj.ref)


def attachment_keys(obj: Route) -> Iterator[str]:
    """Yield the keys of a route in the index `gateway.attached`: its parents, in partitions of the routes."""
    part = shard(str(obj.ref))
    yield from (f"{called(owner)}|{part}" for owner in owners_of(obj))


def host_keys(obj: Route) -> Iterator[str]:
    """Yield the keys of a route in the index `gateway.host`: each host at each parent, alone and in partitions."""
    part = shard(str(obj.ref))
    for owner in owners_of(obj):
        for host in hosts_of(obj):
            yield f"{called(owner)}|{host}"
            yield f"{called(owner)}|{host}|{part}"


def grpc_keys(obj: Route) -> Iterator[str]:
    """Yield the keys of a GRPCRoute in the index `gateway.calls`: its parents, and each host there."""
    for owner in owners_of(obj):
        yield called(owner)
        yield from (f"{called(owner)}|{host}" for host in hosts_of(obj))


ROUTE_INDEXES: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {
    "gateway.routes": parent_keys,
    "gateway.attached": attachment_keys,
    "route.service": service_keys,
}
"""Those of routes of all kinds."""
HTTP_ROUTE_INDEXES: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {
    **ROUTE_INDEXES,
    "gateway.host": host_keys,
    **indexes(),
}
"""Those of HTTPRoutes and GRPCRoutes, which have hosts, and may have Services as parents."""
