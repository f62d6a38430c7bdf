"""The index keys of routes: their parents, their hosts, and the Services that they refer to."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from mirrorplane.api.meta import AnyObject
from mirrorplane.translators.gateway_api.attachment.parents import Route, hosts_of, parents_of
from mirrorplane.translators.gateway_api.attachment.policy_targets import target_candidate_keys
from mirrorplane.translators.gateway_api.attachment.service_parents import service_indexes
from mirrorplane.translators.gateway_api.names import binding_name
from mirrorplane.translators.gateway_api.route.backends import service_keys
from mirrorplane.translators.partitions import nested_keys, partition_index


def parent_keys(obj: Route) -> Iterator[str]:
    """Yield the keys of a route in the index `gateway.routes`: its parents, alone and by partition of its hosts."""
    for parent in parents_of(obj):
        yield from nested_keys(binding_name(parent), hosts_of(obj), obj.ref)


def attachment_keys(obj: Route) -> Iterator[str]:
    """Yield the keys of a route in the index `gateway.attached`: its parents, in partitions of the routes."""
    index = partition_index(str(obj.ref))
    yield from (f"{binding_name(parent)}|{index}" for parent in parents_of(obj))


def host_keys(obj: Route) -> Iterator[str]:
    """Yield the keys of a route in the index `gateway.host`: each host at each parent, alone and in partitions."""
    index = partition_index(str(obj.ref))
    for parent in parents_of(obj):
        for host in hosts_of(obj):
            yield f"{binding_name(parent)}|{host}"
            yield f"{binding_name(parent)}|{host}|{index}"


def grpc_keys(obj: Route) -> Iterator[str]:
    """Yield the keys of a GRPCRoute in the index `gateway.calls`: its parents, and each host there."""
    for parent in parents_of(obj):
        yield binding_name(parent)
        yield from (f"{binding_name(parent)}|{host}" for host in hosts_of(obj))


ROUTE_INDEXES: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {
    "gateway.routes": parent_keys,
    "gateway.attached": attachment_keys,
    "route.service": service_keys,
    "policy.target": target_candidate_keys,
}
"""Those of routes of all kinds."""
HTTP_ROUTE_INDEXES: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {
    **ROUTE_INDEXES,
    "gateway.host": host_keys,
    **service_indexes(),
}
"""Those of HTTPRoutes and GRPCRoutes, which have hosts, and may have Services as parents."""
