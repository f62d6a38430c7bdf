"""Which endpoints a proxy calls first, or how much of its requests each locality gets (Istio: localityLbSetting).

Seen from where the proxy is; the answer is endpoints in groups, each with a locality, a weight and a priority.
"""

from collections.abc import Iterable, Mapping

import msgspec

from mirrorplane.api.cluster_policy import ClusterPolicy, LocalityLb
from mirrorplane.api.mesh import Endpoint
from mirrorplane.api.meta import Labels
from mirrorplane.api.proxy import EndpointView, Locality

_LARGEST_SUM = (1 << 32) - 1
_FAR, _FARTHEST = 3, 4
_REGION, _ZONE, _SUBZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"


class Group(msgspec.Struct, frozen=True):
    """Endpoints of one locality that are called alike. Priority 0 is called first."""

    locality: Locality
    endpoints: tuple[Endpoint, ...]
    weight: int
    priority: int = 0


def group_endpoints(found: Iterable[Endpoint], said: ClusterPolicy, seen_from: EndpointView) -> tuple[Group, ...]:
    """Return the endpoints in groups, sorted by priority and locality."""
    near = (said.load_balancer.locality_lb if said.load_balancer else None) or LocalityLb()
    ranks = said.ranks_localities
    by_place: dict[tuple[int, Locality], list[Endpoint]] = {}
    for endpoint in found:
        rank = _rank(endpoint, near, seen_from) if ranks else 0
        by_place.setdefault((rank, endpoint.locality), []).append(endpoint)
    numbers = {rank: i for i, rank in enumerate(sorted({rank for rank, _ in by_place}))}
    groups = tuple(
        Group(locality, tuple(members), min(sum(e.weight for e in members), _LARGEST_SUM), numbers[rank])
        for (rank, locality), members in sorted(by_place.items(), key=lambda item: item[0])
    )
    return _spread(groups, near, seen_from.locality) if near.enabled else groups


def _rank(endpoint: Endpoint, near: LocalityLb, seen_from: EndpointView) -> int:
    """Return how far an endpoint is: 0 is nearest."""
    if near.failover_priority:
        return _by_labels(endpoint, near.failover_priority, seen_from)
    here, there = seen_from.locality, endpoint.locality
    if not here.region:
        return 0
    if here.region == there.region:
        return (0 if here.subzone == there.subzone else 1) if here.zone == there.zone else 2
    stands_in = dict(near.failover).get(here.region)
    return _FAR if stands_in in {None, there.region} else _FARTHEST


def _by_labels(endpoint: Endpoint, wanted: tuple[str, ...], seen_from: EndpointView) -> int:
    """Return how many labels are left at the first that the proxy and the endpoint do not share (Istio)."""
    own, other = _labels(seen_from.labels, seen_from.locality), _labels(endpoint.labels, endpoint.locality)
    for i, label in enumerate(wanted):
        key, given, value = label.partition("=")
        if other.get(key, "") != (value if given else own.get(key, "")):
            return len(wanted) - i
    return 0


def _labels(said: Labels, where: Locality) -> Mapping[str, str]:
    """Return labels, those that say where something runs included."""
    return {_REGION: where.region, _ZONE: where.zone, _SUBZONE: where.subzone, **dict(said)}


def _spread(groups: tuple[Group, ...], near: LocalityLb, here: Locality) -> tuple[Group, ...]:
    """Give localities the shares that the first rule for this place says; those it does not name get nothing (Istio).

    A share is divided among the localities it is for as their endpoints weigh; the most specific pattern goes first.
    """
    rule = next((spread for spread in near.distribute if _is_in(here, spread.source)), None)
    if rule is None:
        return groups
    left, found = list(groups), []
    for pattern, share in sorted(rule.weights, key=lambda to: (-to[0].count("/"), to[0].endswith("*"), to[0])):
        chosen = [group for group in left if _is_in(group.locality, pattern)]
        left = [group for group in left if group not in chosen]
        total = sum(group.weight for group in chosen)
        found += [msgspec.structs.replace(g, weight=-(-share * g.weight // total)) for g in chosen if g.weight]
    return tuple(sorted(found, key=lambda group: group.locality))


def _is_in(where: Locality, pattern: str) -> bool:
    """Tell whether a locality fits `region/zone/subzone`; a part that is missing fits all, as `*` does."""
    parts = zip((where.region, where.zone, where.subzone), pattern.split("/"), strict=False)
    return all(part.startswith(said[:-1]) if said.endswith("*") else part == said for part, said in parts)
