"""Under which keys indexes find routes: what they are attached to, for which hosts, and what they send to."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from mirrorplane.api.meta import AnyObject
from mirrorplane.translators.gateway_api.attachment.parents import Route, hosts_of, owners_of
from mirrorplane.translators.gateway_api.attachment.service_parents import indexes
from mirrorplane.translators.gateway_api.names import called
from mirrorplane.translators.gateway_api.route.backends import services_of
from mirrorplane.translators.partitions import nested, shard


def gateway_places(obj: Route) -> Iterator[str]:
    """Yield the keys under which the index `gateway.routes` finds a route: its parents, each shard of its hosts."""
    for owner in owners_of(obj):
        yield from nested(called(owner), hosts_of(obj), obj.ref)


def counting_places(obj: Route) -> Iterator[str]:
    """Yield the keys under which the index `gateway.attached` finds a route."""
    part = shard(str(obj.ref))
    yield from (f"{called(owner)}|{part}" for owner in owners_of(obj))


def host_places(obj: Route) -> Iterator[str]:
    """Yield the keys under which the index `gateway.host` finds a route: each host at each parent, each shard there."""
    part = shard(str(obj.ref))
    for owner in owners_of(obj):
        for host in hosts_of(obj):
            yield f"{called(owner)}|{host}"
            yield f"{called(owner)}|{host}|{part}"


def call_places(obj: Route) -> Iterator[str]:
    """Yield the keys under which the index `gateway.calls` finds a GRPCRoute: its parents, and each host there."""
    for owner in owners_of(obj):
        yield called(owner)
        yield from (f"{called(owner)}|{host}" for host in hosts_of(obj))


OF_ROUTES: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {
    "gateway.routes": gateway_places,
    "gateway.attached": counting_places,
    "route.service": services_of,
}
"""Of routes of all kinds."""
OF_REQUESTS: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {
    **OF_ROUTES,
    "gateway.host": host_places,
    **indexes(),
}
"""Of those for requests, which have hosts, and Services as parents."""
