"""The names of the clusters for live requests: one for each port and subset of each visible service (Istio)."""

from collections.abc import Iterator

from mirrorplane.api.mesh import Protocol, Resolution, Service
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.policies import find_policy
from mirrorplane.translators.names import outbound
from mirrorplane.translators.partitions import Partition


def clusters(view: View, client: ClientKey, partition: Partition) -> tuple[str, ...]:
    """Return the names of one part of the hosts."""
    return tuple(name for _, names in view.memo(_by_service, client, partition) for name in names)


def eds_clusters(view: View, client: ClientKey, partition: Partition) -> tuple[str, ...]:
    """Return those whose endpoints come by EDS."""
    return tuple(
        name
        for resolution, names in view.memo(_by_service, client, partition)
        if resolution is Resolution.ENDPOINTS
        for name in names
    )


def _by_service(view: View, client: ClientKey, partition: Partition) -> tuple[tuple[Resolution, tuple[str, ...]], ...]:
    names_by_service = []
    for host in view.memo(services.hosts, client.visibility, partition):
        service = view.memo(services.find_service, client.visibility, host)
        if service is not None:
            names_by_service.append((service.resolution, tuple(_names(view, client, service))))
    return tuple(names_by_service)


def _names(view: View, client: ClientKey, service: Service) -> Iterator[str]:
    rules = view.memo(find_policy, client, service.host)
    subsets = ["", *(s.name for s in rules.subsets)] if rules else [""]
    # UDP ports have clusters of their own, and only at routers whose rules use them (gateway_udp_clusters).
    for number in (p.number for p in service.ports if p.protocol is not Protocol.UDP):
        yield from (outbound(service.host, number, name) for name in subsets)
