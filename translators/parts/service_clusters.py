"""The names of the clusters that live requests use: one for each port and subset of each visible service (Istio)."""

from collections.abc import Iterator

from mirrorplane.api.mesh import Protocol, Resolution, Service
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.policies import policy
from mirrorplane.translators.names import outbound


def clusters(view: View, client: ClientKey, part: int) -> tuple[str, ...]:
    """Return the names of one part of the hosts."""
    return tuple(name for _, of_service in view.memo(_by_service, client, part) for name in of_service)


def from_us(view: View, client: ClientKey, part: int) -> tuple[str, ...]:
    """Return those whose endpoints come from us."""
    return tuple(
        name
        for resolution, of_service in view.memo(_by_service, client, part)
        if resolution is Resolution.ENDPOINTS
        for name in of_service
    )


def _by_service(view: View, client: ClientKey, part: int) -> tuple[tuple[Resolution, tuple[str, ...]], ...]:
    found = []
    for host in view.memo(services.hosts, client.visibility, part):
        service = view.memo(services.service, client.visibility, host)
        if service is not None:
            found.append((service.resolution, tuple(_names(view, client, service))))
    return tuple(found)


def _names(view: View, client: ClientKey, service: Service) -> Iterator[str]:
    rules = view.memo(policy, client, service.host)
    subsets = ["", *(s.name for s in rules.subsets)] if rules else [""]
    for number in (p.number for p in service.ports if p.protocol is not Protocol.UDP):
        yield from (outbound(service.host, number, name) for name in subsets)
